#!/usr/bin/env python3
"""Whether answers of `GET /sage` say what docs/metrics.md says they must, of events whose every one is known.

    python tests/oracle/gold.py load <database> <erased.json> <events.ndjson> …
    python tests/oracle/gold.py check <database> <told.json> <answers.json> [--table <file>]

`load` reads the raw events, once. `check` takes what the test did (`salt`, `shards`, `budget`, `requests`, `vitals`, `intake`) and a list of
`{"name", "from", "to", "tz", "answer"}`, compares every number of every answer with one of its own (counts and quantiles by DuckDB,
intervals by scipy and statsmodels, prices by genai-prices), and prints one JSON object: every row of the page with how many of its
numbers were equal, differed or were missing. Exits with 1 when one differs, is missing, or is explained by no row.
"""

import json
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import gold_cost  # noqa: E402
import gold_load  # noqa: E402
import gold_people  # noqa: E402
import gold_sentiment  # noqa: E402
import gold_service  # noqa: E402
import gold_usage  # noqa: E402
from gold_answer import DIFFERENCES_SHOWN, Gold  # noqa: E402
from gold_stats import check_itself  # noqa: E402
from gold_window import Window, ms_of  # noqa: E402

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/metrics.md"


def check(db, told, asked, page):
    """One answer."""
    answer = asked["answer"]
    gold = Gold(answer, page)
    gold.salt = told["salt"]
    w = Window(db, asked["tz"], asked["from"], asked["to"], ms_of(datetime.fromisoformat(answer["generated_at"])))
    gold_cost.check(gold, w, told)
    gold_usage.check(gold, w)
    gold_people.check(gold, w, told)
    gold_sentiment.check(gold, w)
    gold_sentiment.check_crisis(gold, w)
    gold_service.check_demographics(gold, w, told)
    gold_service.check_operations(gold, w, told)
    gold_service.check_integrations(gold, w)
    return gold


def main():
    """Loads, or checks."""
    command, database, second, *files = sys.argv[1:]
    db = gold_load.connect(database)
    began = time.monotonic()
    if command == "load":
        check_itself()
        kept = gold_load.load(db, files, json.loads(Path(second).read_text(encoding="utf-8")))
        json.dump({"kept": dict(kept), "seconds": round(time.monotonic() - began, 1)}, sys.stdout)
        return
    told = json.loads(Path(second).read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    rows, windows, unexplained, notes, reasons = {}, [], Counter(), [], {}
    for asked in json.loads(Path(files[0]).read_text(encoding="utf-8")):
        began = time.monotonic()
        gold = check(db, told, asked, page)
        for name in [*gold.names, *sorted((gold.equal.keys() | gold.differing.keys() | gold.missing.keys()) - gold.names.keys())]:
            row = rows.setdefault(name, [0, 0, 0])
            for at, counts in enumerate((gold.equal, gold.differing, gold.missing)):
                row[at] += counts[name]
        reasons |= gold.reasons
        unexplained += gold.unexplained()
        notes += [f"{asked['name']}: {text}" for _, text in gold.notes]
        windows.append({"name": asked["name"], "equal": sum(gold.equal.values()), "differing": sum(gold.differing.values()), "n_not_compared": gold.n_unchecked, "seconds": round(time.monotonic() - began, 1)})
    table, failed = [], bool(unexplained)
    for name, (equal, differing, missing) in rows.items():
        state = "differs" if differing else "missing" if missing else "equal" if equal else "not compared"
        failed |= state in ("differs", "missing") or (state == "not compared" and name not in reasons)
        table.append({"row": name, "equal": equal, "differing": differing, "missing": missing, "state": state, "reason": reasons.get(name)})
    json.dump({"rows": table, "windows": windows, "unexplained": unexplained, "notes": notes, "failed": failed}, sys.stdout)
    if files[1:2] == ["--table"]:
        Path(files[2]).write_text(text_of(table, windows, unexplained, notes), encoding="utf-8")
    sys.exit(0)


def text_of(table, windows, unexplained, notes):
    """The table, to be read."""
    lines = [f"{'row of docs/metrics.md':48} {'equal':>8} {'differ':>7} {'missing':>8}  state"]
    lines += [f"{row['row']:48} {row['equal']:8} {row['differing']:7} {row['missing']:8}  {row['state']}{': ' + row['reason'] if row['reason'] else ''}" for row in table]
    lines += ["", *(f"{one['name']:44} {one['equal']} equal, {one['differing']} differ, {one['seconds']} s" for one in windows)]
    lines += ["", *(f"no row explains {path} ({count})" for path, count in sorted(unexplained.items()))]
    shown = Counter()
    for note in notes:
        path = note.split(": ")[1]
        shown[path] += 1
        if shown[path] <= DIFFERENCES_SHOWN:
            lines.append(note)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
