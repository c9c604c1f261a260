#!/usr/bin/env python3
"""Holds Sage's prices and usage readers against the Python package whose price list Sage carries.

    python tests/prices_oracle.py <sage-inspect> [usage_bodies.jsonl] [random cases] [seed]

Prices: every model name of the list, random usages of every unit at and around every change of a price, through
`sage-inspect price`; the exact amount, the rounded one, the parts of input and output, the tier and the reason of a refusal
must be `genai_prices`' own, and the parts must sum. Usages: every real reply, read as every kind of reply of every provider
that the package can read it as, through `sage-inspect usage`: every unit must be what `extract_usage` gives, and its price
what `calc_price` makes of that. The kind need not be named where the package's kinds that read its telling field agree;
parts that the package does not read may then be there besides.

Where Sage differs on purpose:
- A model with prices for what a usage does not count (seconds, characters) is `no_price`, not $0, when nothing else is billed.
- A part that is not stated is none. The package gives no price where parts are stated and a priced part of both is not (audio
  and cached tokens, but not cached audio): a turn without a price serves nobody.
- Counts are whole: a fraction of a token is an error; the package multiplies it.
- A reading in which a part exceeds its whole is an error when it is read; the package refuses only where that part has a price.
- Gemini: `totalTokenCount` decides whether thoughts and tool prompts stand beside the rest; the package always adds.
- DeepSeek: `prompt_cache_hit_tokens` is read where `prompt_tokens_details` is not there.
- Durations (`audio_seconds`) are no unit of a usage; they are billed by `service_cost`.
The data set shows none of the last five: each would fail here.
"""

import json
import random
import subprocess
import sys
import warnings
from collections import Counter
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
# Units that a usage counts, by Sage's name: the package's own, but for one.
FIELDS = {
    field: "output_reasoning_tokens" if field == "reasoning_tokens" else field
    for field in """input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens cache_write_1h_tokens
    reasoning_tokens output_citation_tokens input_text_tokens input_audio_tokens input_image_tokens input_video_tokens
    cache_text_read_tokens cache_audio_read_tokens cache_image_read_tokens cache_video_read_tokens input_tool_tokens
    input_text_tool_tokens input_audio_tool_tokens input_image_tool_tokens input_video_tool_tokens output_text_tokens
    output_audio_tokens output_image_tokens output_video_tokens web_searches storage_searches input_text_messages
    input_document_pages input_annotated_document_pages""".split()
}
UNITS = {unit: field for field, unit in FIELDS.items()}
COUNTED = {unit_data[unit]["price_key"] for unit in UNITS} | {"requests_kcount"}
NOW = "2026-11-01T12:00:00Z"


def inspect(binary, command, lines):
    """Answers of `sage-inspect`, one a line."""
    sent = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([binary, command], input=sent, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), f"{len(lines)} lines sent, {len(answers)} answered"
    return answers


def oracle(case):
    """What the package says: a refusal's reason, or (exact, input, output, nano_usd, tier)."""
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
    billed = [unit for unit, data in unit_data.items() if data["price_key"] in prices and unit != "requests"]
    billed = any(usage.reported_value(unit) for unit in billed) or "requests_kcount" in prices
    if not prices.keys() <= COUNTED and not billed:
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
    parts = said.total_price, said.input_price, said.output_price
    return *parts, nano, f"gt-{max(starts)}" if starts else "base"


def price_fault(case, answer):
    """Says how an answer differs from the oracle's, or None."""
    wanted = oracle(case)
    if isinstance(wanted, str):
        return None if answer == {"unpriced": wanted} else f"wanted {wanted}"
    if "exact" not in answer:
        return f"wanted {wanted}"
    parts = {"input": Decimal(0), "output": Decimal(0), None: Decimal(0)}
    for unit in answer["units"]:
        parts[unit_data[unit["unit"]]["dimensions"].get("direction")] += Decimal(unit["exact"])
    got = Decimal(answer["exact"]), parts["input"], parts["output"], answer["nano_usd"], answer["tier"]
    if got != wanted:
        return f"wanted {wanted}"
    if sum(parts.values()) != got[0] or sum(unit["nano_usd"] for unit in answer["units"]) != answer["nano_usd"]:
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
    """Random counts; some contradict themselves."""
    top = rng.choice([0, 10, 5_000, 150_000, 200_000, 200_001, 272_001, 600_000, 10**9])
    total_in, total_out = rng.choice([top, rng.randint(0, top)]), rng.randint(0, rng.choice([0, 100, 20_000, 10**7]))
    usage = {"input_tokens": total_in, "output_tokens": total_out}

    def share(whole, fields, within=None):
        """Splits some of a whole over some of these fields."""
        left = whole
        for field in rng.sample(fields, len(fields)):
            if rng.random() < 0.3:
                usage[field] = usage.get(field, 0) + (part := rng.randint(0, left))
                left -= part
                if within:
                    usage[within(field)] = usage.get(within(field), 0) + part
        return left

    free = share(total_in, ["cache_read_tokens", "cache_write_tokens", "input_tool_tokens"])
    share(usage.get("cache_write_tokens", 0), ["cache_write_5m_tokens", "cache_write_1h_tokens"])
    kinds = ["text", "audio", "image", "video"]
    share(usage.get("cache_read_tokens", 0), [f"cache_{kind}_read_tokens" for kind in kinds], lambda f: f"input_{f.split('_')[1]}_tokens")
    share(usage.get("input_tool_tokens", 0), [f"input_{kind}_tool_tokens" for kind in kinds], lambda f: f"input_{f.split('_')[1]}_tokens")
    share(free, [f"input_{kind}_tokens" for kind in kinds])
    free = share(total_out, ["reasoning_tokens", "output_citation_tokens"])
    share(free, [f"output_{kind}_tokens" for kind in kinds])
    for field in ("web_searches", "storage_searches", "input_text_messages", "input_document_pages"):
        if rng.random() < 0.15:
            usage[field] = rng.randint(1, 50)
    share(usage.get("input_document_pages", 0), ["input_annotated_document_pages"])
    if rng.random() < 1 / 6:
        usage[rng.choice(list(FIELDS))] = rng.choice([0, total_in + 1, rng.randint(0, 10**6)])
    return {field: count for field, count in usage.items() if count or field in ("input_tokens", "output_tokens")}


def some_time(rng, starts):
    """A time from 2023 to 2028, often at the edge of a price: its last second and millisecond, its first, and a second on."""
    edge = timedelta(milliseconds=rng.choice([-1000, -1, 0, 1, 1000]))
    if rng.random() < 0.5:
        time = datetime.combine(rng.choice(starts), datetime.min.time(), UTC) + edge
    else:
        time = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(5 * 365 * 1440))
        minutes = rng.choice([30, 60, 240, 360, 600, 990, None])
        if minutes is not None:
            time = datetime.combine(time.date(), datetime.min.time(), UTC) + timedelta(minutes=minutes) + edge
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


def telling(body):
    """The field that tells of which kind a reply is."""
    told = ["cache_creation_input_tokens", "cache_read_input_tokens", "input_tokens_details", "prompt_tokens", "inputTokens"]
    usage = body.get("usage") or {}
    return next((field for field in told if field in usage), "promptTokenCount")


def reads(provider, flavor, field):
    """Does the package read this field in this kind of reply? An embedding is told from a chat by what it lacks."""
    extractor = next(extractor for extractor in provider.extractors if extractor.api_flavor == flavor)
    return flavor != "embeddings" and any(mapping.path == field or field in mapping.path for mapping in extractor.mappings)


def usage_cases(bodies):
    """(line to send, usage wanted, model, usage as extracted) of every real reply and every kind of reply that it fits."""
    for row in bodies:
        named = {(x["provider_id"], x["api_flavor"]) for extracted in row["extracted"] for x in extracted["extractors"]}
        for provider in providers:
            fitting = []
            for extractor in provider.extractors or []:
                flavor = extractor.api_flavor
                try:
                    model, usage = provider.extract_usage(row["body"], api_flavor=flavor)
                except ValueError:
                    assert (provider.id, flavor) not in named, f"{provider.id} {flavor} is named and does not fit"
                    continue
                wanted = {UNITS[unit]: count for unit, count in usage._ordered_values() if unit in UNITS}
                if wanted:
                    fitting.append((flavor, wanted, model, usage))
                    yield {"provider": provider.id, "api": flavor, "body": row["body"]}, wanted, model, usage
            fitting = [case for case in fitting if reads(provider, case[0], telling(row["body"]))]
            if fitting and all(case[1] == fitting[0][1] for case in fitting):
                yield {"provider": provider.id, "body": row["body"]}, *fitting[0][1:]


def usage_fault(case, wanted, answer):
    """Says how an answer differs from the usage wanted, or None."""
    compared = FIELDS if "api" in case else {"input_tokens", "output_tokens"} | {field for field in wanted if wanted[field]}
    wrong = [field for field in compared if answer.get(field) != wanted.get(field, 0)]
    return f"wanted {wanted}, wrong in {wrong}" if wrong or answer.get("partial") is not False else None


def own_price(usage, model, provider):
    """The package's price of what it has read itself; None where it gives none."""
    try:
        return calc_price(usage, model, provider_id=provider, genai_request_timestamp=datetime.fromisoformat(NOW)).total_price
    except (LookupError, ValueError):
        return None


def main():
    """Runs both comparisons."""
    binary = sys.argv[1]
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "data" / "usage_bodies.jsonl"
    count, seed = (int(arg) for arg in (sys.argv[3:] + ["40000", "7"][len(sys.argv[3:]) :])[:2])
    bodies = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(seed)
    passed, faults = Counter(), []

    def compare(kind, fault, case, answer):
        passed[kind] += fault is None
        if fault is not None:
            faults.append(f"{kind} {json.dumps(case)} {fault} got {json.dumps(answer)}")

    reads = list(usage_cases(bodies))
    priced = []
    for (case, wanted, model, usage), answer in zip(reads, inspect(binary, "usage", [case for case, *_ in reads]), strict=True):
        compare("usage", usage_fault(case, wanted, answer), case, answer)
        line = {"provider": case["provider"], "model": model or "none", "ts": NOW, "usage": answer.get("usage")}
        priced.append((line, "api" in case, own_price(usage, model or "none", case["provider"])))
    answers = inspect(binary, "price", [line for line, *_ in priced])
    for (line, named, exact), answer in zip(priced, answers, strict=True):
        compare("price of a reply", price_fault(line, answer), line, answer)
        if exact is not None and named:
            fault = None if Decimal(answer.get("exact", "-1")) == exact else f"wanted {exact}"
            compare("price of a reply as extracted", fault, line, answer)

    cases = list(price_cases(rng, count))
    for case, answer in zip(cases, inspect(binary, "price", cases), strict=True):
        compare("price", price_fault(case, answer), case, answer)
        passed["price, of an amount"] += "exact" in answer

    for fault in faults[:20]:
        print(fault)
    print(", ".join(f"{kind}: {number}" for kind, number in passed.items()))
    print(f"{sum(passed.values()) - passed['price, of an amount']} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
