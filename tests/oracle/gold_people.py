"""People over time: who came when, who came back, who stays away, who got how far."""

import statistics
import tomllib
from bisect import bisect_left
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

from gold_answer import UNSET, Num, Rows
from gold_cost import key
from gold_stats import order_interval, quantile
from gold_usage import share
from gold_window import DAY_MS

K = 50
RETAINED = (1, 7, 30)
LISTED = 100
SETTINGS = Path(__file__).resolve().parent.parent.parent / "sage.toml"
FUNNELS = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["funnels"]


def check(gold, w, told):
    """All that needs a person's days."""
    days = defaultdict(set)
    for day, u in w.rows("SELECT DISTINCT :local(ms)::DATE, u FROM turn WHERE u IS NOT NULL AND ms < :to"):
        days[day].add(u)
    active(gold, w, days)
    retention(gold, w)
    churn(gold, w, told)
    funnels(gold, w)


def active(gold, w, days):
    """One, seven and thirty days ending with each day."""
    for name, width in (("dau", 1), ("wau", 7), ("mau", 30)):
        within, left = Counter(), w.days[0] - timedelta(days=width)
        for back in range(width):
            within.update(days.get(w.days[0] - timedelta(days=back), ()))
        rows, at_last = [], None
        for day in w.days:
            if day != w.days[0]:
                within.update(days.get(day, ()))
                leaving = day - timedelta(days=width)
                for u in days.get(leaving, ()):
                    within[u] -= 1
                    if not within[u]:
                        del within[u]
            rows.append({"@": Num(len(within)), "bucket": str(day)})
            if day == w.last:
                at_last = len(within)
        gold.expect(f"usage.{name}", Num(at_last))
        # Days that have not begun may be left out.
        got = gold.find(f"usage.{name}_by_day")
        if isinstance(got, list) and len(got) < len(rows):
            rows = [row for row in rows if row["bucket"] <= str(w.last)]
        gold.expect(f"usage.{name}_by_day", Rows(rows))
        if name == "mau":
            width = min(30, (w.last - w.days[0]).days + 1)
            mean = sum(len(days.get(w.last - timedelta(days=back), ())) for back in range(width)) / width
            gold.expect("usage.stickiness", Num(mean / at_last if at_last else None))


def retention(gold, w):
    """Cohorts of first-seen weeks; a day has passed in full when it lies before today."""
    came = defaultdict(set)
    first = {}
    for u, day in w.db.execute("SELECT u, day FROM pday").fetchall():
        came[u].add(day)
        first[u] = min(first.get(u, day), day)
    cohorts = defaultdict(list)
    for u, day in first.items():
        cohorts[day - timedelta(days=day.weekday())].append(u)
    mondays = [day for day in w.days if day.weekday() == 0 and w.start_of(day) >= w.from_ms]
    #: When the last member has had day N in full.
    mature = lambda monday, n: monday + timedelta(days=6 + n) < w.today  # noqa: E731
    on = lambda u, n: first[u] + timedelta(days=n) in came[u]  # noqa: E731
    last = {u: max(day for day in seen) for u, seen in came.items()}
    since = lambda u, n: last[u] >= first[u] + timedelta(days=n)  # noqa: E731
    pooled = {}
    for n in range(31):
        members = [u for monday in mondays if mature(monday, n) for u in cohorts.get(monday, ())]
        pooled[n] = (members, sum(on(u, n) for u in members), sum(since(u, n) for u in members))
    for n in RETAINED:
        members, bounded, unbounded = pooled[n]
        gold.expect(f"usage.retention.d{n}.bounded", share(bounded, len(members)))
        gold.expect(f"usage.retention.d{n}.unbounded", share(unbounded, len(members)))
    gold.expect("usage.retention.curve", Rows([{"@": share(pooled[n][1], len(pooled[n][0])), "bucket": str(n)} for n in range(31)]))

    got = gold.find("usage.retention.cohorts")
    small = [monday for monday in mondays if len(cohorts.get(monday, ())) < K]
    shown = {row.get("bucket"): row for row in got} if isinstance(got, list) else {}
    rows, more = [], 0
    for monday in mondays:
        members = cohorts.get(monday, [])
        row = shown.get(str(monday), {})
        hide = monday in small
        if not hide and row.get("value") is None and small and row:
            # One that would give the hidden ones away.
            more += 1
            hide = True
        whole = {"@": Num(None if hide else len(members)), "bucket": str(monday)}
        for n in RETAINED:
            if hide or not mature(monday, n):
                whole[f"d{n}"] = {"bounded": Num(None), "unbounded": Num(None)}
                if row and f"d{n}" not in row:
                    del whole[f"d{n}"]
            else:
                whole[f"d{n}"] = {"bounded": share(sum(on(u, n) for u in members), len(members)), "unbounded": share(sum(since(u, n) for u in members), len(members))}
        rows.append(whole)
    gold.expect("usage.retention.cohorts", Rows(rows))
    if isinstance(got, list):
        # Each of d1, d7 and d30 pools other cohorts, so that each may need one more.
        if more > len(RETAINED):
            gold.bad("usage.retention.cohorts", f"hides {more} cohorts of {K} and more people beside {len(small)} smaller ones")
        for monday in mondays:
            for n in RETAINED:
                node = shown.get(str(monday), {}).get(f"d{n}", {}).get("bounded")
                if monday not in small and not mature(monday, n) and node and node.get("hidden") not in ("not_mature", "fewer_than_50_people", None):
                    gold.bad("usage.retention.cohorts", f"says {node.get('hidden')} of a cohort that is not mature")


def churn(gold, w, told):
    """At risk on the last day that has begun."""
    end = w.last
    came = defaultdict(list)
    for u, day in w.db.execute("SELECT u, day FROM pday ORDER BY u, day").fetchall():
        if day <= end:
            came[u].append(day)
    begun = defaultdict(Counter)
    rows = w.rows("SELECT u, (DATE '" + str(end) + "' - :local(ms)::DATE)::BIGINT // 7, count(*) FROM session WHERE u IS NOT NULL AND :local(ms)::DATE <= DATE '" + str(end) + "' AND :local(ms)::DATE > DATE '" + str(end) + "' - 35 GROUP BY 1, 2")
    for u, week, n in rows:
        begun[u][week] = n
    risk, recent = [], 0
    for u, days in came.items():
        silent = (end - days[-1]).days
        recent += silent < 90
        if len(days) < 3 or silent > 89:
            continue
        gaps = sorted((b - a).days for a, b in zip(days, days[1:], strict=False))
        weeks = begun[u]
        usual = statistics.median(weeks[week] for week in range(1, 5))
        if silent > max(14, quantile(gaps, 0.95)):
            risk.append((-silent, key(told["salt"], u), "silent"))
        elif usual >= 2 and 2 * weeks[0] <= usual:
            risk.append((-silent, key(told["salt"], u), "halved"))
    risk.sort()
    gold.expect("usage.churn.at_risk", Num(len(risk)))
    gold.expect("usage.churn.share", share(len(risk), recent))
    gold.expect("usage.churn.users", Rows([{"@": Num(-silent), "bucket": who, "reason": reason} for silent, who, reason in risk[:LISTED]], falling=True))


def steps_of(w, step):
    """Sorted (instant, id) of what a step names, by person."""
    selects = []
    for one in step.split("|"):
        kind, _, name = one.partition(":")
        selects.append({
            "chat": "SELECT u, ms, sid FROM session WHERE u IS NOT NULL",
            "guest": "SELECT u, ms, sid FROM session WHERE u IS NOT NULL AND guest",
            "signed_in": "SELECT u, ms, sid FROM session WHERE u IS NOT NULL AND guest = false",
            "platform": f"SELECT user_id, ms, id FROM platform_ev WHERE user_id IS NOT NULL AND event = '{name}'",
            "journey": f"SELECT user_id, ms, id FROM journey_ev WHERE user_id IS NOT NULL AND name = '{name}'",
            "step": f"SELECT user_id, ms, id FROM journey_ev WHERE user_id IS NOT NULL AND funnel || '/' || step = '{name}'",
        }[kind])
    sql = " UNION ALL ".join(selects)
    found = defaultdict(list)
    for u, ms, event in w.db.execute(sql).fetchall():
        found[u].append((ms, event))
    return {u: sorted(events) for u, events in found.items()}


def funnels(gold, w):
    """Steps in order, from a person's first first step in the window."""
    got = gold.find("usage.funnels")
    for funnel in FUNNELS:
        name, days, steps = funnel["name"], funnel["within_days"], funnel["steps"]
        if isinstance(got, dict) and name not in got:
            gold.bad("usage.funnels.NAME.steps", f"{name} is not there")
            continue
        events = [steps_of(w, step) for step in steps]
        reached, froms = [[] for _ in steps], []
        for u, firsts in events[0].items():
            first = next((event for event in firsts if w.from_ms <= event[0] < w.to_ms), None)
            if first is None:
                continue
            reached[0].append(0)
            used, before = {first[1]}, first[0]
            for at in range(1, len(steps)):
                later = events[at].get(u, [])
                found = next((event for event in later[bisect_left(later, (before, "")) :] if event[1] not in used), None)
                if found is None or found[0] - first[0] > days * DAY_MS:
                    break
                reached[at].append(found[0] - before)
                used.add(found[1])
                before = found[0]
            else:
                froms.append(before - first[0])
        rows = []
        for at, gaps in enumerate(reached):
            row = {"@": Num(len(gaps))}
            if at:
                row |= {"from_previous": share(len(gaps), len(reached[at - 1])), "from_first": share(len(gaps), len(reached[0])), "time_from_previous": spans(gaps)}
            rows.append(row)
        gold.expect(f"usage.funnels.{name}.steps", rows)
        gold.expect(f"usage.funnels.{name}.conversion", share(len(froms), len(reached[0])))
        gold.expect(f"usage.funnels.{name}.time", spans(froms))
        gold.expect(f"usage.conversions.{name}", {"@": share(len(froms), len(reached[0]))})
        node = gold.find(f"usage.conversions.{name}")
        if isinstance(node, dict) and "time" in node:
            gold.compare(("usage", "conversions", name, "time"), spans(froms), node["time"])
    if got is UNSET:
        gold.missing["usage.funnels.NAME.steps"] += 1


def spans(values):
    """Median and 95 % quantile."""
    values = sorted(values)
    return {name: Num(quantile(values, q), ci=order_interval(values, q), n=len(values)) for name, q in (("median", 0.5), ("p95", 0.95))}
