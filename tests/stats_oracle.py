#!/usr/bin/env python3
"""Holds Sage's statistics against scipy, statsmodels, numpy and pandas.

    python tests/stats_oracle.py <example stats> [seed]

Equal to rounding: Wilson and Newcombe intervals, moments, medians and their deviations, EWMA levels and limits. Equal: ranks of
quantile intervals, quantiles, sums and counts of distributions; beyond 4,096 values a quantile within 1/512 of the value. Within
the error that resampling has: intervals of means against BCa of 9,999 rounds. Projections are held against the future itself:
of each kind of series, 85 in 100 sums over 30 days must lie in their interval.
"""

import json
import math
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

ALPHA = 0.05
TAIL = 0.025
EXACT_MAX = 4096
RELATIVE_ERROR = 1 / 512
# Interval ends of two bootstraps differ by their draws: this much of the width, at the end of a heavy tail.
RESAMPLING = 0.12
QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.99]

passed, faults = Counter(), []


def ask(binary, cases):
    """Answers of the example, one a case."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    out = subprocess.run([binary], input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def check(kind, right, case, answer, wanted):
    """Counts a comparison, and keeps what was wrong."""
    passed[kind] += bool(right)
    if not right:
        faults.append(f"{kind} {json.dumps(case)[:300]} wanted {wanted} got {json.dumps(answer)[:300]}")


def near(answer, wanted, tolerance=1e-12):
    """Equal but for rounding?"""
    return answer is not None and np.allclose(answer, wanted, rtol=tolerance, atol=tolerance)


def proportions(binary, rng):
    """Wilson and Newcombe."""
    pairs = [(hits, n) for n in range(1, 61) for hits in range(n + 1)]
    sizes = (10 ** rng.uniform(0, 9, 4000)).astype(int) + 1
    pairs += [(int(rng.integers(0, n + 1)), int(n)) for n in sizes]
    cases = [{"f": "wilson", "hits": hits, "n": n} for hits, n in pairs]
    hits, n = np.array(pairs).T
    wanted = np.array(proportion_confint(hits, n, ALPHA, "wilson")).T
    for case, answer, want in zip(cases, ask(binary, cases), wanted, strict=True):
        check("wilson", near(answer, want), case, answer, want)

    cases, wanted = [], []
    for _ in range(2500):
        n_a, n_b = (int(n) + 1 for n in 10 ** rng.uniform(0, 5, 2))
        hits_a, hits_b = (int(rng.integers(0, n + 1)) for n in (n_a, n_b))
        cases.append({"f": "newcombe", "hits_a": hits_a, "n_a": n_a, "hits_b": hits_b, "n_b": n_b})
        wanted.append(confint_proportions_2indep(hits_a, n_a, hits_b, n_b, method="newcomb", compare="diff"))
    for case, answer, want in zip(cases, ask(binary, cases), wanted, strict=True):
        check("newcombe", near(answer, want, 1e-9), case, answer, want)


def ranks(binary, rng):
    """Order statistics that enclose a quantile."""
    pairs = [(n, q) for q in [*QUANTILES, 0.1, 0.025, 0.999] for n in range(1, 5001)]
    pairs += [(int(n), float(q)) for n, q in zip(10 ** rng.uniform(0, 9, 500), rng.choice(QUANTILES, 500), strict=True)]
    cases = [{"f": "interval", "n": n, "q": q} for n, q in pairs]
    n, q = np.array(pairs).T
    # The largest r with P(X < r) ≤ 0.025, the smallest s with P(X ≥ s) ≤ 0.025; a step to each side of scipy's guess.
    lower, upper = stats.binom.ppf(TAIL, n, q) - 1, stats.binom.isf(TAIL, n, q) + 2
    for _ in range(3):
        lower = np.where(stats.binom.cdf(lower, n, q) <= TAIL, lower + 1, lower)
        upper = np.where(stats.binom.sf(upper - 2, n, q) <= TAIL, upper - 1, upper)
    assert (stats.binom.cdf(lower - 1, n, q) <= TAIL).all() and (stats.binom.cdf(lower, n, q) > TAIL).all()
    assert (stats.binom.sf(upper - 1, n, q) <= TAIL).all() and (stats.binom.sf(upper - 2, n, q) > TAIL).all()
    for case, answer, low, high in zip(cases, ask(binary, cases), lower, upper, strict=True):
        wanted = [int(low), int(high)] if low >= 1 and high <= case["n"] else None
        check("quantile interval", answer == wanted, case, answer, wanted)
    for q, least in [(0.5, 6), (0.95, 72), (0.99, 368)]:
        told = ask(binary, [{"f": "interval", "n": n, "q": q} for n in (least - 1, least)])
        check("least n of an interval", told[0] is None and told[1] is not None, q, told, least)


def exact_quantile(values, q):
    """Type 1 of sorted values, in exact arithmetic."""
    return int(values[max(math.ceil(Fraction(str(q)) * len(values)), 1) - 1])


def quantiles(binary, rng):
    """Type 1, against exact arithmetic and numpy."""
    cases, wanted = [], []
    for n in rng.integers(1, 400, 1500):
        values, q = np.sort(rng.integers(-50, 10**9, n)), float(rng.choice([*QUANTILES, 0.07, 0.28, 0.0, 1.0]))
        cases.append({"f": "of_sorted", "values": values.tolist(), "q": q})
        wanted.append(exact_quantile(values, q))
        q = float(rng.uniform())
        cases.append({"f": "of_sorted", "values": values.tolist(), "q": q})
        wanted.append(int(np.quantile(values, q, method="inverted_cdf")))
    for case, answer, want in zip(cases, ask(binary, cases), wanted, strict=True):
        check("quantile", answer == want, case, answer, want)


def amounts(rng, n):
    """Skew values, as costs are."""
    kind = rng.integers(0, 4)
    if kind == 0:
        return rng.exponential(3e6, n)
    if kind == 1:
        return rng.lognormal(14, rng.uniform(0.3, 1.2), n)
    if kind == 2:
        return rng.normal(5e6, 1e6, n)
    return rng.gamma(0.7, 2e6, n) * rng.integers(0, 2, n)


def means(binary, rng):
    """Bootstrap and its expansion against scipy's BCa; moments against numpy."""
    cases, wanted, kinds = [], [], []
    for n in [20, 30, 50, 100, 150, 300, 500, 999, 1000, 1001, 1500, 3000] * 4:
        values = amounts(rng, n)
        told = stats.bootstrap((values,), np.mean, n_resamples=9999, batch=500, method="BCa", rng=rng).confidence_interval
        cases.append({"f": "mean", "values": values.tolist(), "seed": n})
        wanted.append(tuple(told))
        kinds.append("bootstrap of a mean" if n <= 1000 else "expansion of a mean")
    for kind, case, answer, (low, high) in zip(kinds, cases, ask(binary, cases), wanted, strict=True):
        off = max(abs(answer[0] - low), abs(answer[1] - high)) / (high - low)
        passed[f"{kind}, worst in % of width"] = max(passed[f"{kind}, worst in % of width"], round(100 * off))
        check(kind, off <= RESAMPLING, case | {"values": len(case["values"])}, answer, (low, high))

    cases = [{"f": "moments", "values": amounts(rng, n).tolist()} for n in rng.integers(2, 3000, 300)]
    for case, answer in zip(cases, ask(binary, cases), strict=True):
        n = len(case["values"])
        wanted = [n, np.mean(case["values"]), n * stats.moment(case["values"], 2), n * stats.moment(case["values"], 3)]
        told = [answer["n"], answer["mean"], answer["m2"], answer["m3"]]
        # A third sum near 0 is the difference of large ones.
        scale = np.array([1, wanted[1], wanted[2], max(abs(wanted[3]), wanted[2] ** 1.5 / n)])
        check("moments", near(told / scale, wanted / scale, 1e-9), case, answer, wanted)


def half_even(total, n):
    """Rounded mean."""
    return round(Fraction(total, n))


def distributions(binary, rng):
    """Summaries, merged from parts."""
    cases = []
    for n in [1, 2, 7, 400, 4095, 4096, 4097, 6000, 20000] * 6:
        values = np.maximum(amounts(rng, n) * 10.0 ** rng.integers(-4, 7), 0).astype(np.int64)
        parts = np.split(values, np.sort(rng.integers(0, n + 1, rng.integers(0, 6))))
        cases.append({"f": "distribution", "parts": [part.tolist() for part in parts], "q": QUANTILES})
    for case, answer in zip(cases, ask(binary, cases), strict=True):
        values = np.sort(np.concatenate(case["parts"]).astype(np.int64))
        n, total = len(values), sum(int(value) for value in values)
        wanted = [n, str(total), half_even(total, n), values[0], values[-1]]
        told = [answer[field] for field in ("n", "sum", "mean", "min", "max")]
        check("distribution: n, sum, mean, ends", told == wanted, n, told, wanted)
        binned = n > EXACT_MAX and values[-1] >= 512
        check("distribution: its error", answer["error"] == (RELATIVE_ERROR if binned else None), n, answer["error"], binned)
        for q, ((said, exact), interval) in zip(QUANTILES, answer["quantiles"], strict=True):
            want = exact_quantile(values, q)
            right = said == want if exact else binned and abs(said - want) <= want * RELATIVE_ERROR
            check("distribution: quantile", right, (n, q), said, want)
            (ranks,) = ask(binary, [{"f": "interval", "n": n, "q": q}]) if n < 400 else [None]
            if n >= 400:
                low, high = stats.binom.ppf(TAIL, n, q), stats.binom.isf(TAIL, n, q) + 1
                ranks = [int(low), int(high)]
            want = ranks and [int(values[rank - 1]) for rank in ranks]
            right = interval == want
            if binned and want:
                outward = interval[0] <= want[0] and interval[1] >= want[1]
                right = outward and all(abs(a - b) <= 2 * RELATIVE_ERROR * b for a, b in zip(interval, want, strict=True))
            check("distribution: quantile interval", right, (n, q), interval, want)
        bounds, counts = (np.array(column, dtype=np.int64) for column in zip(*answer["histogram"], strict=True))
        told, wanted = np.cumsum(counts), np.searchsorted(values, bounds, side="right")
        right = len(bounds) <= 32 and told[-1] == n
        if not binned:
            right = right and (told == wanted).all()
        else:
            # Only values of the bin that a bound cuts may be on its other side.
            slack = [((values >= bound * (1 - 1 / 128)) & (values <= bound * (1 + 1 / 128))).sum() for bound in bounds]
            right = right and (abs(told - wanted) <= slack).all()
        check("distribution: histogram", right, n, told.tolist(), wanted.tolist())

    cases = []
    for n in [0, 1, 5, 80, 1000, 5000] * 10:
        values = np.clip(rng.lognormal(rng.uniform(3, 9), 1, n), 0, 2**32 - 1).astype(np.int64)
        parts = np.array_split(values, 4)
        cases.append({"f": "counts", "parts": [part.tolist() for part in parts], "q": QUANTILES, "limit": 2000})
    for case, answer in zip(cases, ask(binary, cases), strict=True):
        values = np.sort(np.concatenate(case["parts"]).astype(np.int64))
        check("counts: n", answer["n"] == len(values), len(values), answer["n"], len(values))
        least, most = ((values > 2000 * edge).sum() for edge in (1 + 1 / 256, 1 - 1 / 256))
        check("counts: over a limit", least <= answer["over"] <= most, len(values), answer["over"], (int(least), int(most)))
        for q, (said, _) in zip(QUANTILES, answer["quantiles"], strict=True):
            want = exact_quantile(values, q) if len(values) else None
            right = said is None if want is None else abs(said[0] - want) <= want * RELATIVE_ERROR and (not said[1] or said[0] == want)
            check("counts: quantile", right, (len(values), q), said, want)


def spikes(binary, rng):
    """Robust z and control charts."""
    cases = [
        {"f": "same_weekday", "today": float(rng.lognormal(18, 1)), "history": rng.lognormal(18, 0.3, rng.integers(1, 12)).tolist()}
        for _ in range(500)
    ]
    for case, answer in zip(cases, ask(binary, cases), strict=True):
        history = case["history"][:8]
        middle, spread = np.median(history), stats.median_abs_deviation(history, scale=1 / 1.4826)
        z = (case["today"] - middle) / max(spread, 0.05 * middle, 1)
        told = [answer["median"], answer["mad"] * 1.4826, answer["z"]]
        right = near(told, [middle, spread, z], 1e-9) and answer["is_spike"] == (len(history) >= 4 and z > 3.5)
        check("spike", right, case, answer, (middle, spread, z))

    cases = [
        {"f": "ewma", "values": rng.normal(50, 5, rng.integers(20, 120)).tolist(), "lambda": float(rng.choice([0.05, 0.1, 0.2, 0.4, 1.0]))}
        for _ in range(300)
    ]
    widths = {0.05: 2.615, 0.1: 2.814, 0.2: 2.962, 0.4: 3.054, 1.0: 3.090}
    for case, answer in zip(cases, ask(binary, cases), strict=True):
        values, weight = np.array(case["values"]), case["lambda"]
        base, rest = np.split(values, [max(len(values) // 2, 8)])
        centre, spread = np.median(base), np.abs(np.diff(base)).mean() / 1.128
        level = pd.Series([centre, *rest]).ewm(alpha=weight, adjust=False).mean().to_numpy()[1:]
        steps = np.arange(1, len(rest) + 1)
        half = widths[weight] * spread * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * steps)))
        told = np.array([point[:3] for point in answer])
        right = near(told, np.stack([level, centre - half, centre + half], 1), 1e-9)
        right = right and [point[3] for point in answer] == (np.abs(level - centre) > half).tolist()
        check("control chart", right, case, answer, level.tolist())


def projections(binary, rng):
    """Do the intervals hold the future?"""
    week = np.array([1.1, 1.2, 1.15, 1.1, 1.0, 0.5, 0.45])

    def noise(kind, n):
        if kind == "heavy-tailed":
            return 0.15 * rng.standard_t(4, n)
        steps = rng.normal(0, 0.15, n)
        if kind == "correlated":
            return pd.Series(steps).ewm(alpha=0.4, adjust=False).mean().to_numpy() * 2
        return steps + np.cumsum(rng.normal(0, 0.02, n)) + 0.004 * np.arange(n)

    for kind in ("heavy-tailed", "correlated", "growing and wandering"):
        for history in (28, 90):
            days = [np.tile(week, 18)[: history + 30] * np.exp(21 + noise(kind, history + 30)) for _ in range(200)]
            cases = [{"f": "project", "days": day[:history].tolist(), "first_weekday": 0, "horizons": [30]} for day in days]
            hits = sum(low <= day[history:].sum() <= high for day, [[_, low, high]] in zip(days, ask(binary, cases), strict=True))
            passed[f"projection, {kind}, {history} days: covered of 200"] = int(hits)
            check("back-test", hits >= 170, (kind, history), int(hits), "170 of 200")


def main():
    """Runs all comparisons."""
    binary, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    rng = np.random.default_rng(seed)
    for part in (proportions, ranks, quantiles, means, distributions, spikes, projections):
        part(binary, rng)
    for fault in faults[:20]:
        print(fault)
    notes = {kind for kind in passed if "worst" in kind or "covered" in kind}
    print(", ".join(f"{kind}: {number}" for kind, number in passed.items()))
    print(f"{sum(number for kind, number in passed.items() if kind not in notes)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
