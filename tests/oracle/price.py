"""Prices turns with the reference package: NDJSON in, NDJSON out.

In: {"provider", "model", "ts", "usage": a provider's usage block}. Out: {"nano_usd"}: rounded once, half to even.
"""

import json
import sys
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from genai_prices import calc_price, extract_usage

for line in sys.stdin:
    turn = json.loads(line)
    body = {"model": turn["model"], "usage": turn["usage"]}
    flavor = "chat" if turn["provider"] == "openai" else "default"
    usage = extract_usage(body, provider_id=turn["provider"], api_flavor=flavor).usage
    when = datetime.fromisoformat(turn["ts"].replace("Z", "+00:00"))
    price = calc_price(usage, turn["model"], provider_id=turn["provider"], genai_request_timestamp=when).total_price
    print(json.dumps({"nano_usd": int((price * Decimal(10) ** 9).to_integral_value(ROUND_HALF_EVEN))}))
