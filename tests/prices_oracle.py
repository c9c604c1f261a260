#!/usr/bin/env python3
"""Holds Sage's prices and usage readers against the Python package whose price list Sage carries.

    python tests/prices_oracle.py <sage-inspect> [usage_bodies.jsonl] [random cases] [seed]

Prices: every model name of the list, real usages and random ones, through `sage-inspect price`; the exact amount, the
rounded one, the tier and the reason of a refusal must be `genai_prices`' own. Usages: every real reply, read as each API
that the data set says could have sent it, through `sage-inspect usage`.

Where Sage differs on purpose:
- A model that is priced only in seconds, characters, pages or searches is `no_price`, not $0: a usage counts none of these.
- Chat: `total_tokens` decides whether reasoning stands beside the completion; the package decides by provider alone.
- Gemini: `totalTokenCount` likewise decides about thoughts and tool prompts.
- A part of input or output that the package does not read at some providers is read wherever the reply states it.
- Embeddings are read as Chat: output is the total less the prompt, so 0. Not compared.
"""

import json
import random
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from importlib.metadata import version
from pathlib import Path

from genai_prices import Usage, calc_price, types
from genai_prices.data import providers
from genai_prices.data_units import unit_data

getcontext().prec = 80
warnings.simplefilter("ignore")

VERSION = f"genai-prices-{version('genai-prices')}"
FIELDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "cache_audio_read_tokens": "cache_audio_read_tokens",
    "output_audio_tokens": "output_audio_tokens",
}
COUNTED = {unit_data[unit]["price_key"] for unit in FIELDS.values()} | {"requests_kcount"}
# Where the package reads every part that the API has.
READ_IN_FULL = {
    *(("openai", flavor) for flavor in ("chat", "responses")),
    *(("openrouter", flavor) for flavor in ("chat", "default")),
    *((provider, "default") for provider in ("anthropic", "google", "aws", "cohere")),
}
NOW = "2026-11-01T12:00:00Z"


def inspect(binary, command, lines):
    """Answers of `sage-inspect`, one a line."""
    sent = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([binary, command], input=sent, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), f"{len(lines)} lines sent, {len(answers)} answered"
    return answers


def oracle(case):
    """What the package says: a refusal's reason, or (exact, nano_usd, tier)."""
    usage = Usage(**{theirs: case["usage"].get(ours, 0) for ours, theirs in FIELDS.items()})
    when = datetime.fromisoformat(case["ts"])
    try:
        said = calc_price(
            usage,
            case["model"],
            provider_id=case["provider"],
            genai_request_timestamp=when,
            price_context=case.get("context"),
        )
    except LookupError as error:
        return "unknown_provider" if "find provider" in str(error) else "unknown_model"
    except ValueError:
        return "inconsistent_usage"
    prices = {key: value for key, value in vars(said.model_price).items() if value is not None}
    if prices and not prices.keys() & COUNTED:
        return "no_price"
    total = usage.reported_value("input_tokens")
    starts = [
        tier.start
        for key, price in prices.items()
        if key in COUNTED and isinstance(price, types.TieredPrices)
        for tier in price.tiers
        if total > tier.start
    ]
    nano = int((said.total_price * 10**9).to_integral_value(rounding=ROUND_HALF_EVEN))
    return said.total_price, nano, f"gt-{max(starts)}" if starts else "base"


def price_fault(case, answer):
    """Says how an answer differs from the oracle's, or None."""
    wanted = oracle(case)
    if isinstance(wanted, str):
        return None if answer == {"unpriced": wanted} else f"wanted {wanted}"
    if "exact" not in answer:
        return f"wanted {wanted}"
    got = Decimal(answer["exact"]), answer["nano_usd"], answer["tier"]
    if got != wanted:
        return f"wanted {wanted}"
    if sum((Decimal(unit["exact"]) for unit in answer["units"]), Decimal(0)) != got[0]:
        return "units do not sum"
    return None if answer["price_version"].startswith(VERSION) else "wrong version"


def texts(clause):
    """The literal texts and patterns of a match clause."""
    for part in getattr(clause, "or_", None) or getattr(clause, "and_", None) or [clause]:
        if part is not clause:
            yield from texts(part)
        elif isinstance(part, types.ClauseRegex):
            sample = part.regex.strip("^$").replace("\\d{8}", "20260102").replace("\\d{4}-\\d{2}-\\d{2}", "2026-01-02")
            yield sample.replace("\\d", "7").replace("\\", "")
        else:
            yield next(iter(vars(part).values()))


def names_of(provider):
    """Model names that the list knows or nearly knows."""
    return sorted({name for model in provider.models for name in (model.id, *texts(model.match))}) or ["none"]


def change(rng, name):
    """A name as somebody might write it."""
    return rng.choice(
        [
            *[name] * 10,
            name.upper(),
            name + "-20251211",
            name + "-2025-12-11",
            name + "-20250230",
            "openai/" + name,
            "us." + name + "-v1:0",
            name + "-tts",
            name[:-1],
            name + ":free",
        ]
    )


def some_usage(rng):
    """Random tokens; some contradict themselves."""
    top = rng.choice([0, 10, 5_000, 150_000, 200_000, 200_001, 272_001, 600_000, 10**9])
    total_in, total_out = rng.choice([top, rng.randint(0, top)]), rng.randint(0, rng.choice([0, 100, 20_000, 10**7]))
    read = rng.choice([0, 0, rng.randint(0, total_in)])
    write = rng.choice([0, 0, rng.randint(0, total_in - read)])
    audio_read = rng.choice([0, 0, 0, rng.randint(0, read)])
    free = total_in - read - write
    usage = {
        "input_tokens": total_in,
        "output_tokens": total_out,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": rng.choice([0, rng.randint(0, write)]),
        "reasoning_tokens": rng.choice([0, rng.randint(0, total_out)]),
        "input_audio_tokens": rng.choice([0, 0, audio_read + rng.randint(0, free)]) or audio_read,
        "cache_audio_read_tokens": audio_read,
        "output_audio_tokens": rng.choice([0, 0, rng.randint(0, total_out)]),
    }
    if rng.random() < 1 / 6:
        usage[rng.choice(list(usage))] = rng.choice([0, total_in + 1, rng.randint(0, 10**6)])
    return {field: count for field, count in usage.items() if count or field in ("input_tokens", "output_tokens")}


def some_time(rng, starts):
    """A time from 2023 to 2028, often at the edge of a price."""
    if rng.random() < 0.5:
        day = datetime.combine(rng.choice(starts), datetime.min.time(), UTC)
        time = day + timedelta(milliseconds=rng.choice([-1, 0, 1]))
    else:
        time = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(5 * 365 * 1440))
        minutes = rng.choice([30, 60, 240, 360, 600, 990, None])
        if minutes is not None:
            time = datetime.combine(time.date(), datetime.min.time(), UTC) + timedelta(
                minutes=minutes, milliseconds=rng.choice([-1, 0])
            )
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def price_cases(rng, count):
    """Every name of the list once, then `count` random cases."""
    known = [(provider.id, name) for provider in providers for name in names_of(provider)]
    varied = [
        (provider.id, model.id)
        for provider in providers
        for model in provider.models
        if model.price_variants or isinstance(model.prices, list) or "TieredPrices" in repr(model.prices)
    ]
    entries = [
        entry
        for provider in providers
        for model in provider.models
        for entry in (model.prices if isinstance(model.prices, list) else []) + (model.price_variants or [])
    ]
    starts = sorted({e.constraint.start_date for e in entries if isinstance(e.constraint, types.StartDateConstraint)})
    contexts = [entry.when for entry in entries if isinstance(entry, types.PriceVariant)]
    contexts = [json.loads(text) for text in sorted({json.dumps(when) for when in contexts})]
    others = ["bedrock", "amazon-bedrock", "vertex_ai", "google-vertex", "gemini", "Anthropic", "litellm", "xai", "together_ai"]
    others += ["huggingface-groq", "azure-openai", "MistralAI", "nobody", " openai "]
    for provider, name in known:
        plain = {"input_tokens": 1000, "output_tokens": 500, "cache_read_tokens": 100}
        yield {"provider": provider, "model": name, "ts": NOW, "usage": plain}
    for _ in range(count):
        provider, name = rng.choice(rng.choice([known, varied]))
        if rng.random() < 0.25:
            name = f"{provider}/{name}" if rng.random() < 0.2 else name
            provider = rng.choice(others)
        case = {"provider": provider, "model": change(rng, name), "ts": some_time(rng, starts), "usage": some_usage(rng)}
        if rng.random() < 0.3:
            case["context"] = {**rng.choice(contexts), **rng.choice([{}, *contexts])}
        yield case


def usage_cases(bodies):
    """(line to send, usage wanted) of every real reply and every API that could have sent it."""
    apis = {"chat": "chat", "responses": "responses", "anthropic": "anthropic", "embeddings": "chat", "tokens": None}
    defaults = {"anthropic": "anthropic", "google": "gemini", "aws": "bedrock", "cohere": "cohere", "minimax": "anthropic"}
    for row in bodies:
        for extracted in row["extracted"]:
            wanted = {ours: extracted["usage"].get(theirs, 0) for ours, theirs in FIELDS.items()}
            for extractor in extracted["extractors"]:
                provider, flavor = extractor["provider_id"], extractor["api_flavor"]
                api = defaults.get(provider, "chat") if flavor == "default" else apis[flavor]
                if api is not None and flavor != "embeddings":
                    yield {"provider": provider, "api": api, "body": row["body"]}, wanted, extractor


def usage_fault(case, wanted, extractor, answer):
    """Says how an answer differs from the usage wanted, or None."""
    usage = case["body"].get("usage") or {}
    inside = usage.get("total_tokens") == usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    if case["provider"] in ("x-ai", "perplexity") and case["api"] == "chat" and inside:
        wanted = {**wanted, "output_tokens": usage["completion_tokens"]}
    wholes = ("input_tokens", "output_tokens")
    in_full = (extractor["provider_id"], extractor["api_flavor"]) in READ_IN_FULL
    compared = [field for field in FIELDS if in_full or field in wholes or wanted[field]]
    wrong = [field for field in compared if answer.get(field) != wanted[field]]
    return f"wanted {wanted}, wrong in {wrong}" if wrong or answer.get("partial") is not False else None


def main():
    """Runs both comparisons."""
    binary = sys.argv[1]
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "data" / "usage_bodies.jsonl"
    count, seed = (int(arg) for arg in (sys.argv[3:] + ["6000", "7"][len(sys.argv[3:]) :])[:2])
    bodies = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(seed)
    passed, faults = 0, []

    reads = list(usage_cases(bodies))
    cases = list(price_cases(rng, count))
    read = inspect(binary, "usage", [case for case, *_ in reads])
    for (case, wanted, extractor), answer in zip(reads, read, strict=True):
        fault = usage_fault(case, wanted, extractor, answer)
        if fault is None:
            passed += 1
        else:
            faults.append(f"usage {extractor} {json.dumps(case['body'])} {fault} got {json.dumps(answer)}")
        if answer.get("usage"):
            model = case["body"].get("model") or case["body"].get("modelVersion") or "none"
            cases.append({"provider": case["provider"], "model": model, "ts": NOW, "usage": answer["usage"]})

    for case, answer in zip(cases, inspect(binary, "price", cases), strict=True):
        fault = price_fault(case, answer)
        if fault is None:
            passed += 1
        else:
            faults.append(f"price {json.dumps(case)} {fault} got {json.dumps(answer)}")

    for fault in faults[:20]:
        print(fault)
    print(f"{passed} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
