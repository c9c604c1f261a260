"""Intervals, from scipy and statsmodels; quantiles of type 1."""

import math

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

#: 95 % of a normal distribution lie within so many standard deviations.
Z = float(stats.norm.ppf(0.975))
BOOTSTRAP_SEED = 11


def wilson(hits, n):
    """Wilson score interval, 95 %."""
    if not n:
        return None
    low, high = proportion_confint(hits, n, alpha=0.05, method="wilson")
    return [float(low), float(high)]


def quantile(ascending, q):
    """The smallest value that at least a share q does not exceed; q as a fraction of whole numbers, so that none is lost to rounding."""
    per_mille = round(q * 1000)
    rank = max(1, -(-len(ascending) * per_mille // 1000))
    return ascending[rank - 1] if len(ascending) else None


def order_interval(ascending, q):
    """Two order statistics around the quantile, at most 2.5 % outside at each end; none where there are too few values."""
    n = len(ascending)
    if not n or q >= 1:
        return None
    low, high = int(stats.binom.ppf(0.025, n, q)), int(stats.binom.isf(0.025, n, q)) + 1
    if low < 1 or high > n:
        return None
    return [float(ascending[low - 1]), float(ascending[high - 1])]


def ratio_interval(sums, counts):
    """Ratio of sums over people, linearised (Cochran 1977, ch. 6)."""
    y, x = np.asarray(sums, float), np.asarray(counts, float)
    n = len(y)
    if n < 2 or not x.sum():
        return None
    ratio = y.sum() / x.sum()
    error = math.sqrt(((y - ratio * x) ** 2).sum() / (n - 1) / n) / x.mean()
    return [float(ratio - Z * error), float(ratio + Z * error)]


def bootstrap_interval(values):
    """Bias-corrected and accelerated bootstrap of the mean over people."""
    x = np.asarray(values, float)
    n = len(x)
    if n < 2:
        return None
    if np.ptp(x) == 0:
        return [float(x[0])] * 2
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    if n <= 1_000:
        said = stats.bootstrap((x,), np.mean, n_resamples=9_999, method="BCa", rng=rng, batch=500).confidence_interval
        return [float(said.low), float(said.high)]
    # As above, with the jackknife of a mean worked out, which would take n² numbers.
    resamples = 4_000
    means = np.array([x[rng.integers(0, n, n)].mean() for _ in range(resamples)])
    bias = stats.norm.ppf(((means < x.mean()).sum() + (means <= x.mean()).sum()) / (2 * resamples))
    d = x - x.mean()
    acceleration = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    ends = [stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))) for z in (-Z, Z)]
    return [float(end) for end in np.quantile(means, ends)]


def check_itself():
    """Holds what is written out here against the packages' own, on small and large cases."""
    import duckdb

    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 7, 20, 72, 100, 367, 368, 1000):
        values = sorted(int(value) for value in rng.integers(0, 500, n))
        for q in (0.5, 0.75, 0.9, 0.95, 0.99):
            ((theirs,),) = duckdb.execute(f"SELECT quantile_disc(x, {q}) FROM (SELECT unnest({values}) AS x)").fetchall()
            assert quantile(values, q) == theirs, (n, q)
            assert sum(value <= quantile(values, q) for value in values) >= q * n - 1e-9
            interval = stats.quantile_test(values, q=np.quantile(values, q), p=q).confidence_interval(0.95)
            ours = order_interval(values, q)
            known = not (math.isnan(interval.low) or math.isnan(interval.high))
            assert ours == ([interval.low, interval.high] if known else None), (n, q, ours, interval)
    heavy = rng.pareto(2.5, 1_400) * 1e6
    theirs = stats.bootstrap((heavy,), np.mean, n_resamples=9_999, method="BCa", rng=np.random.default_rng(4), batch=200).confidence_interval
    for ours, end in zip(bootstrap_interval(heavy), theirs, strict=True):
        assert abs(ours - end) < 0.1 * (theirs.high - theirs.low), (ours, end)
    # A ratio whose denominators are all one is a mean: its interval is the usual one.
    y = rng.normal(5, 2, 500)
    mean = stats.norm.interval(0.95, y.mean(), stats.sem(y))
    assert np.allclose(ratio_interval(y, np.ones(500)), mean, rtol=1e-12)
