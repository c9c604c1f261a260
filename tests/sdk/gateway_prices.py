"""What replies cost by the reference package.

Argument: a file of lines {"provider", "flavor", "body", "context"?, "ts"}. Prints a list of amounts, 1e-9 USD, rounded once,
half to even.
"""

import json
import sys
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from genai_prices import calc_price, extract_usage


def nano_usd(told):
    """One reply."""
    usage = extract_usage(told["body"], provider_id=told["provider"], api_flavor=told["flavor"]).usage
    price = calc_price(
        usage,
        told["body"]["model"],
        provider_id=told["provider"],
        genai_request_timestamp=datetime.fromisoformat(told["ts"]),
        price_context=told.get("context"),
    )
    return int((price.total_price * Decimal(10) ** 9).to_integral_value(ROUND_HALF_EVEN))


json.dump([nano_usd(json.loads(line)) for line in Path(sys.argv[1]).read_text().splitlines()], sys.stdout)
