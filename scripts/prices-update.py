#!/usr/bin/env python3
"""Writes schemas/prices/genai-prices.json from the installed Python package `genai-prices`, and says what changes.

    python scripts/prices-update.py [--check] [output]        (`npm run prices:update` installs the package first)

With `--check` nothing is written. Stored costs do not change with the list: a turn's cost is part of its event in the log.

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


def when_of(entry):
    """When an entry holds, as words: nothing for always."""
    words = [f"{key} {value}" for key, value in sorted(entry.get("when", {}).items())]
    if "start_date" in entry:
        words.append(f"from {entry['start_date']}")
    if "start_time" in entry:
        words.append(f"daily {entry['start_time']}–{entry['end_time']}")
    return ", ".join(words)


def shown(value):
    """A price as words; a dash for none."""
    if isinstance(value, dict):
        return " ".join([value["base"], *(f"(above {tier['start']}: {tier['price']})" for tier in value["tiers"])])
    return value or "–"


def prices_of(info):
    """Prices of a model by (unit, when)."""
    entries = [*info["prices"], *info.get("variants", [])]
    return {(unit, when_of(entry)): value for entry in entries for unit, value in entry["prices"].items()}


def in_force(info, unit):
    """The price that a new dated one follows: the last of that unit."""
    return next((entry["prices"][unit] for entry in reversed(info["prices"]) if unit in entry["prices"]), None)


def model_changes(name, old, new):
    """Lines on one model of both lists."""
    before, after = prices_of(old), prices_of(new)
    for unit, when in sorted(before.keys() | after.keys()):
        was, now = before.get((unit, when)), after.get((unit, when))
        if was == now:
            continue
        if was is None and "from " in when:
            was = in_force(old, unit)
        yield f"  {name} {unit}: {shown(was)} → {shown(now)}" + (f" ({when})" if when else "")
    if old["match"] != new["match"]:
        yield f"  {name}: is meant by other names"


def changes(old, new):
    """What another list changes, in lines."""
    before, after = ({info["id"]: info for info in data["providers"]} for data in (old, new))
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        models = [{info["id"]: info for info in (entry or {"models": []})["models"]} for entry in (one, other)]
        if one is None or other is None:
            yield f"{'+' if one is None else '-'} {name} (provider, {len(models[0] or models[1])} models)"
            continue
        for model_id in sorted(models[0].keys() | models[1].keys()):
            was, now = models[0].get(model_id), models[1].get(model_id)
            if was and now:
                yield from model_changes(f"{name}/{model_id}", was, now)
            else:
                held = ", ".join(f"{unit} {shown(value)}" for (unit, when), value in sorted(prices_of(was or now).items()) if not when)
                yield f"{'-' if was else '+'} {name}/{model_id}" + (f": {held}" if held else "")
        for key, what in [("extractors", "replies are read differently"), ("provider_match", "is meant by other names")]:
            if one.get(key) != other.get(key):
                yield f"  {name}: {what}"
    if old["units"] != new["units"]:
        yield "  units differ: see schemas/prices/genai-prices.json"


def main():
    """Writes the price data and its licence, and prints what changes."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    package = distribution("genai-prices")
    target = Path(arguments[0]) if arguments else PRICES / "genai-prices.json"
    units = ",\n".join(f"  {line(key)}: {line(unit)}" for key, unit in unit_data.items())
    text = (
        '{\n "source": "genai-prices, MIT, see LICENSE-genai-prices; written by scripts/prices-update.py",\n'
        f' "version": {line(package.version)},\n "units": {{\n{units}\n }},\n "providers": [\n'
        + ",\n".join(provider(info) for info in providers)
        + "\n ]\n}\n"
    )
    new = json.loads(text)
    old = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {"version": "none", "units": {}, "providers": []}
    lines = list(changes(old, new))
    print("\n".join(lines))
    count = len([entry for entry in lines if not entry.startswith("  units")])
    print(f"genai-prices {old['version']} → {new['version']}: {count} changes; {sum(len(info.models) for info in providers)} models")
    if "--check" in sys.argv:
        return
    target.write_text(text, encoding="utf-8")
    licence = next(file for file in package.files if file.name == "LICENSE")
    (target.parent / "LICENSE-genai-prices").write_text(licence.read_text(), encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
