#!/usr/bin/env python3
"""What Sage must say of a set of turns, computed by other means.

    python tests/oracle/turns_oracle.py <events.ndjson> <salt> <first day> <last day> [zone ...]

Reads wire events, one a line, each once. Prices and usages are genai-prices' own; people, visits and days are worked out
from the raw ids. Prints one JSON object.
"""

import hashlib
import hmac
import json
import math
import sys
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from genai_prices.data import providers  # noqa: E402
from prices_oracle import FIELDS, oracle  # noqa: E402

VISIT_GAP = timedelta(minutes=30)
SHOWN = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def usage_of(turn):
    """Canonical usage of a turn; None where it has none."""
    if "usage" in turn:
        return turn["usage"]
    block = turn.get("provider_usage")
    if block is None and "user_chars" in turn and "assistant_chars" in turn:
        turn["estimated"] = True
        return {"input_tokens": -(-turn["user_chars"] // 4), "output_tokens": -(-turn["assistant_chars"] // 4)}
    if block is None:
        return None
    flavor = "chat" if turn["provider"] == "openai" else "default"
    body = {"model": turn["model"], "usage": block}
    provider = next(provider for provider in providers if provider.id == turn["provider"])
    _, read = provider.extract_usage(body, api_flavor=flavor)
    return {ours: getattr(read, theirs) or 0 for ours, theirs in FIELDS.items()}


def key(salt, kind, raw):
    """Sage's key of a raw id."""
    return "k1_" + hmac.new(salt.encode(), f"{kind}\0{raw}".encode(), hashlib.sha256).digest()[:16].hex()


def half_even(total, count):
    """Mean, half to even."""
    whole, rest = divmod(total, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


def quantile(values, share):
    """The smallest value that at least that share does not exceed."""
    return values[max(1, math.ceil(len(values) * share)) - 1]


def distribution(values):
    """As the panel states it."""
    values = sorted(values)
    shares = {"median": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {"mean": half_even(sum(values), len(values)), **{name: quantile(values, at) for name, at in shares.items()}}


def visits_of(turns):
    """(start, spend, turns) of every visit."""
    threads = defaultdict(list)
    for turn in turns:
        user, session, conversation = turn["user"], turn.get("session_id"), turn.get("conversation_id")
        if turn.get("opted_out") or (user is None and session is None and conversation is None):
            continue
        threads[(user, "session", session) if session else (user, "conversation", conversation)].append(turn)
    visits = []
    for (_, kind, _), members in threads.items():
        members.sort(key=lambda turn: turn["at"])
        last = None
        for turn in members:
            if last is None or (kind == "conversation" and turn["at"] - last >= VISIT_GAP):
                visits.append([turn["at"], 0, 0])
            visits[-1][1] += turn["nano_usd"]
            visits[-1][2] += 1
            last = turn["at"]
    return visits


def days(first, last):
    """Dates, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def main():
    """Reads, counts, prints."""
    path, salt, first, last = sys.argv[1:5]
    first, last = date.fromisoformat(first), date.fromisoformat(last)
    turns = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    tokens, by_model, by_feature, unpriced, missing, estimated = Counter(), {}, Counter(), 0, 0, 0
    for turn in turns:
        turn["at"] = datetime.fromisoformat(turn["ts"])
        turn["user"] = None if turn.get("opted_out") else turn.get("user_id")
        usage, turn["nano_usd"] = usage_of(turn), 0
        said = None
        if usage is None:
            missing += 1
        else:
            case = {"provider": turn["provider"], "model": turn["model"], "ts": turn["ts"], "usage": usage}
            said = oracle(case)
            if isinstance(said, str):
                unpriced += 1
                # Of a model that is not known nothing is estimated.
                usage = None if "estimated" in turn else usage
            else:
                turn["nano_usd"] = said[3]
                estimated += "estimated" in turn
        row = by_model.setdefault(f"{turn['provider']} {turn['model']}", Counter())
        row.update({"nano_usd": turn["nano_usd"], "count": 1, "unpriced": isinstance(said, str), "missing": said is None})
        by_feature[turn["feature"]] += turn["nano_usd"]
        for field in SHOWN:
            tokens[field] += (usage or {}).get(field, 0)
            row[field] += (usage or {}).get(field, 0)

    people = defaultdict(lambda: [0, 0])
    active = defaultdict(set)
    for turn in turns:
        if turn["user"] is not None:
            people[turn["user"]][0] += turn["nano_usd"]
            people[turn["user"]][1] += 1
            active[turn["at"].astimezone(UTC).date()].add(turn["user"])
    visits = visits_of(turns)
    top = sorted((-spend, -count, key(salt, "user", user)) for user, (spend, count) in people.items())[:10]
    calendar = days(first, last)

    def rolling(width):
        return [len(set().union(*(active[day - timedelta(days=back)] for back in range(width)))) for day in calendar]

    zones = {}
    for name in sys.argv[5:]:
        zone = ZoneInfo(name)
        local = Counter(), Counter()
        for turn in turns:
            day = turn["at"].astimezone(zone).date().isoformat()
            local[0][day] += 1
            local[1][day] += turn["nano_usd"]
        zones[name] = {"turns": local[0], "spend": local[1]}
    answer = {
        "turns": len(turns),
        "messages": len(turns) + sum(turn["status"] == "ok" for turn in turns),
        "nano_usd": sum(turn["nano_usd"] for turn in turns),
        "tokens": tokens,
        "by_model": by_model,
        "by_feature": by_feature,
        "unpriced": unpriced,
        "usage_missing": missing,
        "estimated": estimated,
        "users": len(people),
        "per_user": distribution([spend for spend, _ in people.values()]),
        "top_users": [[who, -spend, -count] for spend, count, who in top],
        "sessions": len(visits),
        "sessions_by_day": [sum(visit[0].astimezone(UTC).date() == day for visit in visits) for day in calendar],
        "per_session": distribution([visit[1] for visit in visits]),
        "session_turns_max": max(visit[2] for visit in visits),
        "dau": rolling(1),
        "wau": rolling(7),
        "mau": rolling(30),
        "zones": zones,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
