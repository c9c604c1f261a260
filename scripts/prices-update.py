#!/usr/bin/env python3
"""Writes schemas/prices/genai-prices.json from the installed Python package `genai-prices`.

    pip install genai-prices==<version> && python scripts/prices-update.py [output]

Order of providers, models and prices is the package's own, because the first match and the last active price win. One
model a line, so that a new version of the package reads well as a diff. Prices are decimal strings, USD per `per` units.
"""

import json
import sys
from importlib.metadata import distribution
from pathlib import Path

from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data

PRICES = Path(__file__).resolve().parent.parent / "schemas" / "prices"


def clause(match):
    """A match clause as `{"equals": text}`, `{"or": [clause…]}`…"""
    match match:
        case types.ClauseOr():
            return {"or": [clause(part) for part in match.or_]}
        case types.ClauseAnd():
            return {"and": [clause(part) for part in match.and_]}
        case (
            types.ClauseEquals()
            | types.ClauseStartsWith()
            | types.ClauseEndsWith()
            | types.ClauseContains()
            | types.ClauseRegex()
        ):
            return dict(vars(match))
    raise TypeError(f"unknown clause {type(match).__name__}")


def decimal(value):
    """A Decimal without exponent."""
    return format(value, "f")


def price(value):
    """A price, flat or with tiers."""
    if isinstance(value, types.TieredPrices):
        tiers = [{"price": decimal(tier.price), "start": tier.start} for tier in value.tiers]
        return {"base": decimal(value.base), "tiers": tiers}
    return decimal(value)


def price_set(prices):
    """Prices by price key; keys without a price are left out."""
    return {key: price(value) for key, value in vars(prices).items() if value is not None}


def constraint(value):
    """When a price holds: always, from a UTC date, or daily between two UTC times."""
    match value:
        case None:
            return {}
        case types.StartDateConstraint():
            return {"start_date": value.start_date.isoformat()}
        case types.TimeOfDateConstraint():
            utc = [types._utc_timetz(time).strftime("%H:%M:%S") for time in (value.start_time, value.end_time)]
            return {"start_time": utc[0], "end_time": utc[1]}
    raise TypeError(f"unknown constraint {type(value).__name__}")


def model(info):
    """A model: id, match clause, prices in order, variants in order."""
    prices = info.prices
    if isinstance(prices, types.ModelPrice):
        prices = [types.ConditionalPrice(prices=prices)]
    out = {
        "id": info.id,
        "match": clause(info.match),
        "prices": [{**constraint(entry.constraint), "prices": price_set(entry.prices)} for entry in prices],
    }
    if info.price_variants:
        out["variants"] = [
            {**constraint(entry.constraint), "prices": price_set(entry.prices), "when": entry.when}
            for entry in info.price_variants
        ]
    return out


def step(value):
    """A step of a path: a member's name, or `{"field": text}` for the member of a list that has it."""
    if isinstance(value, types.ArrayMatch):
        if not isinstance(value.match, types.ClauseEquals):
            raise TypeError(f"unknown match {type(value.match).__name__}")
        return {value.field: value.match.equals}
    return value


def path(value):
    """A path as a list of steps."""
    return [value] if isinstance(value, str) else [step(part) for part in value]


def extractor(value):
    """Where a kind of reply keeps its counts: flavour, root, `[unit, required, path]`…"""
    counts = [[entry.dest, entry.required, path(entry.path)] for entry in value.mappings]
    return {"flavor": value.api_flavor, "root": path(value.root), "counts": counts}


def line(value):
    """JSON on one line, keys sorted."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def provider(info):
    """A provider over several lines, a model a line."""
    head = {"id": info.id, "name": info.name}
    if info.provider_match is not None:
        head["provider_match"] = clause(info.provider_match)
    if info.model_match is not None:
        head["model_match"] = clause(info.model_match)
    if info.fallback_model_providers:
        head["fallback_model_providers"] = info.fallback_model_providers
    rows = ",\n".join(f"    {line(model(entry))}" for entry in info.models)
    fields = "".join(f"   {line(key)}: {line(value)},\n" for key, value in head.items())
    kinds = ",\n".join(f"    {line(extractor(entry))}" for entry in info.extractors or [])
    fields += f'   "extractors": [\n{kinds}\n   ],\n' if kinds else ""
    return f'  {{\n{fields}   "models": [\n{rows}\n   ]\n  }}'


def main():
    """Writes the price data and its licence."""
    package = distribution("genai-prices")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PRICES / "genai-prices.json"
    units = ",\n".join(f"  {line(key)}: {line(unit)}" for key, unit in unit_data.items())
    text = (
        '{\n "source": "genai-prices, MIT, see LICENSE-genai-prices; written by scripts/prices-update.py",\n'
        f' "version": {line(package.version)},\n "units": {{\n{units}\n }},\n "providers": [\n'
        + ",\n".join(provider(info) for info in providers)
        + "\n ]\n}\n"
    )
    json.loads(text)
    target.write_text(text, encoding="utf-8")
    licence = next(file for file in package.files if file.name == "LICENSE")
    (target.parent / "LICENSE-genai-prices").write_text(licence.read_text(), encoding="utf-8")
    print(f"{target}: {len(providers)} providers, {sum(len(info.models) for info in providers)} models")


if __name__ == "__main__":
    main()
