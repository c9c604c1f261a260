"""Holds an answer of `GET /sage` against what is expected of it, number by number, and against docs/metrics.md, row by row."""

import math
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

UNSET: Any = object()
PLAIN = ("unit", "exact", "hidden", "error")
# How far two computations of one float may lie apart.
FLOAT = 1e-9
DIFFERENCES_SHOWN = 6


@dataclass
class Num:
    """An expected number. `near`: how far an interval's end may lie off, as a share of its width (intervals that are drawn)."""

    value: Any
    ci: Any = UNSET
    n: Any = UNSET
    near: float = 0.0
    tol: float = FLOAT
    abs_tol: float = 0.0


class Rows(list):
    """An expected series: rows are told apart by `key`; those that are zero may be left out; `top`: how many are shown at most."""

    def __init__(self, rows, key=("bucket",), falling=False, top=None, partial=False):
        super().__init__(rows)
        self.key, self.falling, self.top, self.partial = key, falling, top, partial


UNITS = {"nano_usd", "count", "tokens", "share", "mean", "turns", "ms", "score", "days", "rate", "s", "z"}


def names_of(page):
    """Every row's names, `panel.name` without `[]` (`*` at the end: all that begins so), in order, and the unit where it is one."""
    panel, out = None, OrderedDict()
    for line in page.splitlines():
        if found := re.match(r"## `(\w+)`", line):
            panel = found[1]
        if not (panel and line.startswith("| `")):
            continue
        stem = None
        names = [one for name in re.findall(r"`([^`]+)`", line.split("|")[1]) for one in expanded(name.replace("[]", ""))]
        units = [unit.strip() for unit in line.split("|")[2].split(",")]
        units = units * len(names) if len(units) == 1 else units if len(units) == len(names) else [None] * len(names)
        for one, unit in zip(names, units, strict=True):
            if one.startswith("_by"):
                one = re.sub(r"_by.*", "", stem) + one
            elif one.startswith("."):
                one = stem.rsplit(".", 1)[0] + one
            else:
                stem = one
            out[f"{panel}.{one.replace('…', '*')}"] = unit if unit in UNITS else None
    return out


def expanded(name):
    """`a.{b,c}` as `a.b`, `a.c`."""
    found = re.search(r"\{([^}]*)\}", name)
    if not found:
        return [name]
    return [one for part in found[1].split(",") for one in expanded(name[: found.start()] + part.strip() + name[found.end() :])]


def close(a, b, tol, abs_tol=0.0):
    """Equal; of floats nearly."""
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return a == b
    if isinstance(a, (dict, list)) or isinstance(b, (dict, list)):
        return a == b
    if isinstance(a, int) and isinstance(b, int):
        return abs(a - b) <= abs_tol
    return math.isclose(a, b, rel_tol=tol, abs_tol=max(tol, abs_tol))


class Gold:
    """Takes expectations and keeps account."""

    def __init__(self, answer, page):
        self.panels = answer["panels"]
        self.names = names_of(page)
        self.equal, self.differing, self.missing = Counter(), Counter(), Counter()
        self.reasons, self.notes, self.consumed = {}, [], set()
        self.n_unchecked = 0
        self.salt = ""

    # --- where a path belongs ---

    def row(self, path):
        """The row of the page that explains a path: the longest name that it begins with, else one whose head it shares."""
        path = re.sub(r"^usage\.funnels\.[^.]+", "usage.funnels.NAME", path.replace(".[]", ""))
        parts = path.split(".")
        for size in range(len(parts), 1, -1):
            head = ".".join(parts[:size])
            if head in self.names:
                return head
            if head + ".*" in self.names:
                return head + ".*"
        head = ".".join(parts[:2])
        shared = [name for name in self.names if name.startswith(head + ".")]
        if len(parts) == 2 or not shared:
            # `spend_today` explains its own parts alone; `platforms` does those of its rows.
            return None
        return shared[0]

    # --- accounts ---

    def good(self, path):
        self.equal[self.row(path) or path] += 1

    def bad(self, path, text):
        row = self.row(path) or path
        self.differing[row] += 1
        self.notes.append((row, f"{path}: {text}"))

    def free(self, path, reason):
        """All below this can't be compared, for that reason."""
        row = self.row(path) or path
        self.reasons[row] = reason
        node = self.find(path)
        if node is not UNSET:
            self.take(tuple(path.split(".")), node)
        return node

    def take(self, at, node):
        """All numbers below are accounted for."""
        if isinstance(node, dict):
            for name, member in node.items():
                self.take((*at, name), member)
        elif isinstance(node, list):
            for index, member in enumerate(node):
                self.take((*at, index), member)
        else:
            self.consumed.add(at)

    def find(self, path):
        """What the answer has there."""
        node = self.panels
        for part in path.split("."):
            if not isinstance(node, dict) or part not in node:
                return UNSET
            node = node[part]
        return node

    # --- comparing ---

    def expect(self, path, wanted):
        """Compares what the answer has at a path with a number, a tree of numbers or a series."""
        got = self.find(path)
        if got is UNSET:
            self.missing[self.row(path) or path] += 1
            return
        self.compare(tuple(path.split(".")), wanted, got)

    def compare(self, at, wanted, got):
        path = ".".join("[]" if isinstance(part, int) else part for part in at)
        if isinstance(wanted, Rows):
            self.compare_rows(at, path, wanted, got)
        elif isinstance(wanted, dict):
            if not isinstance(got, dict):
                return self.bad(path, f"is {str(got)[:60]}")
            for name, member in wanted.items():
                if name == "@":
                    self.number(at, path, member, got)
                elif name in got:
                    self.compare((*at, name), member, got[name])
                else:
                    self.bad(path, f"has no {name}")
        elif isinstance(wanted, Num):
            self.number(at, path, wanted, got)
        elif isinstance(wanted, list):
            if not isinstance(got, list) or len(got) != len(wanted):
                return self.bad(path, f"has {len(got) if isinstance(got, list) else got} members, wanted {len(wanted)}")
            for index, member in enumerate(wanted):
                self.compare((*at, index), member, got[index])
        elif isinstance(got, dict) and "value" in got:
            self.number(at, path, Num(wanted), got)
        else:
            self.take(at, got)
            if close(wanted, got, FLOAT):
                self.good(path)
            else:
                self.bad(path, f"is {str(got)[:80]}, wanted {wanted}")

    def number(self, at, path, wanted, got):
        if not isinstance(got, dict) or "value" not in got:
            self.take(at, got)
            if close(wanted.value, got, wanted.tol, wanted.abs_tol):
                return self.good(path)
            return self.bad(path, f"is {str(got)[:80]}, wanted {wanted.value}")
        for name in ("value", "bucket", *PLAIN):
            if name in got:
                self.consumed.add((*at, name))
        tol, abs_tol = wanted.tol, wanted.abs_tol
        if got.get("exact") is False:
            # The share itself is a rounded number.
            tol = max(tol, (got.get("error") or 0) * (1 + 1e-9))
        unit = self.names.get(path.replace(".[]", ""))
        if unit and got.get("unit") != unit:
            self.bad(path, f"is in {got.get('unit')}, wanted {unit}")
        value = got["value"]
        where = f" [{got['bucket']}]" if "bucket" in got else ""
        if close(wanted.value, value, tol, abs_tol) or (got.get("exact") is False and None not in (value, wanted.value) and abs(value - wanted.value) <= tol * abs(wanted.value) + abs_tol):
            self.good(path)
        else:
            self.bad(path, f"is {value}{where}{' (' + got['hidden'] + ')' if got.get('hidden') else ''}, wanted {wanted.value}")
        self.interval(at, path, wanted, got, where)
        if "n" in got:
            self.consumed.add((*at, "n"))
            if wanted.n is UNSET:
                self.n_unchecked += 1
            elif got["n"] == wanted.n:
                self.good(path)
            else:
                self.bad(path, f"rests on {got['n']}{where}, wanted {wanted.n}")

    def interval(self, at, path, wanted, got, where):
        if "ci" not in got:
            return
        self.take((*at, "ci"), got["ci"])
        ci, mine = got["ci"], None if wanted.ci is UNSET else wanted.ci
        if ci is None and mine is None:
            return
        if ci is None or mine is None:
            return self.bad(path, f"states {ci}{where}, wanted {mine}")
        width = abs(mine[1] - mine[0])
        # Of values in bins an interval goes to the outer edges of two of them: twice as far as a value may lie from its bin's middle.
        bins = 2.01 * (got.get("error") or 0) if got.get("exact") is False else 0
        for end, own, outward in zip(ci, mine, (-1, 1), strict=True):
            near = wanted.near * width if wanted.near else max(1e-9, 1e-9 * abs(own))
            beyond = (end - own) * outward
            if not -near <= beyond <= near + bins * abs(own):
                return self.bad(path, f"states {ci}{where}, wanted {mine}{'' if got.get('exact') is not False else ', not exact: ' + str(got.get('error'))}")
        return self.good(path)

    def compare_rows(self, at, path, wanted, got):
        if not isinstance(got, list):
            return self.bad(path, "is no series")
        key_of = lambda row: tuple(str(row.get(name, "")) for name in wanted.key)  # noqa: E731
        value_of = lambda row: row["@"].value if isinstance(row.get("@"), Num) else row.get("value")  # noqa: E731
        mine = {key_of(row): row for row in wanted}
        seen = set()
        for index, row in enumerate(got):
            for name in ("bucket", *wanted.key):
                if name in row:
                    self.consumed.add((*at, index, name))
            key = key_of(row)
            seen.add(key)
            if key in mine:
                self.compare((*at, index), {name: member for name, member in mine[key].items() if name not in wanted.key}, row)
            elif wanted.partial:
                pass
            elif row.get("value") in (0, None):
                self.take((*at, index), row)
            else:
                self.take((*at, index), row)
                self.bad(path, f"has {' '.join(key)} = {row.get('value')}, which is not expected")
        short = [key for key, row in mine.items() if key not in seen and value_of(row) not in (0, None)]
        if short and not (wanted.top and len(got) >= wanted.top):
            self.bad(path, f"lacks {len(short)} of {len(mine)}: {[' '.join(key) for key in short[:3]]}")
        elif wanted or not got:
            self.good(path)
        values = [row.get("value") or 0 for row in got if row.get("bucket") != ":other"]
        if wanted.falling and values != sorted(values, reverse=True):
            self.bad(path, "is not in falling order")

    # --- the end ---

    def unexplained(self):
        """Numbers of the answer that nothing has looked at, by path."""
        found = Counter()

        def walk(at, node):
            if isinstance(node, dict):
                for name, member in node.items():
                    walk((*at, name), member)
            elif isinstance(node, list):
                for index, member in enumerate(node):
                    walk((*at, index), member)
            elif isinstance(node, (int, float)) and not isinstance(node, bool) and at not in self.consumed:
                found[".".join("[]" if isinstance(part, int) else str(part) for part in at)] += 1

        for panel, node in self.panels.items():
            walk((panel,), node)
        return found

    def report(self):
        """Every row of the page: what was compared, and how it went."""
        rows = []
        for name in self.names:
            equal, differing, missing = self.equal[name], self.differing[name], self.missing[name]
            state = "differs" if differing else "missing" if missing else "equal" if equal else "not compared"
            rows.append({"row": name, "equal": equal, "differing": differing, "missing": missing, "state": state, "reason": self.reasons.get(name)})
        return rows
