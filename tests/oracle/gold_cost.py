"""What the `cost` panel must say."""

import hashlib
import hmac
import statistics
from datetime import UTC, datetime, timedelta

from gold_answer import UNSET, Num, Rows
from gold_stats import bootstrap_interval, order_interval, quantile, ratio_interval
from gold_window import DAY_MS, half_even, ms_of, step_of

#: How far two bootstraps of a heavy tail may lie apart, as a share of the interval's width.
BOOTSTRAP_NEAR = 0.25
SHARES = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")


def spread(values, mean=None, shares=None):
    """Mean, quantiles and maximum of values; `n` of the quantiles is their number."""
    values, shares = sorted(values), shares or SHARES
    out = {} if mean is None else {"mean": mean}
    for name, q in shares.items():
        out[name] = Num(quantile(values, q), ci=order_interval(values, q), n=len(values))
    out["max"] = Num(values[-1] if values else None, n=len(values))
    return out


def ratio(sums):
    """The interval of a ratio of sums over people, and how many they are."""
    return {"ci": ratio_interval(*zip(*sums, strict=True)) if sums else None, "n": len(sums)}


def key(salt, raw):
    """Sage's key of a raw user id (docs: HMAC-SHA-256 of kind and id, 128 bits)."""
    return "k1_" + hmac.new(salt.encode(), f"user\0{raw}".encode(), hashlib.sha256).digest()[:16].hex()


def check(gold, w, told):
    """All rows of the panel."""
    spend_of = lambda a, b: w.one(f"SELECT coalesce(sum(cost), 0)::BIGINT FROM money WHERE ms >= {a} AND ms < {b}")  # noqa: E731
    gold.expect("cost.spend", Num(spend_of(w.from_ms, w.to_ms)))
    today = w.today
    gold.expect("cost.spend_today", Num(spend_of(*w.span(today))))
    gold.expect("cost.spend_week", Num(spend_of(*w.span(today, today.weekday() + 1))))
    gold.expect("cost.spend_month", Num(spend_of(*w.span(today, today.day))))

    w.table("m", "SELECT *, :local(ms)::DATE AS day FROM money WHERE ms >= :from AND ms < :to")
    by_day = dict(w.rows("SELECT day::VARCHAR, sum(cost)::BIGINT FROM m GROUP BY 1"))
    services = {}
    for day, service, cost in w.rows("SELECT day::VARCHAR, service, sum(cost)::BIGINT FROM m GROUP BY 1, 2"):
        services.setdefault(day, {})[service] = cost
    days = []
    for day in map(str, w.days):
        row = {"@": Num(by_day.get(day, 0)), "bucket": day}
        if any(services.get(day, {}).values()):
            row["by_service"] = {name: cost for name, cost in services[day].items() if cost}
        days.append(row)
    gold.expect("cost.spend_by_day", Rows(days))

    counts = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in TOKENS)
    w.table("tm", f"SELECT provider, model, feature, count(*) AS n, coalesce(sum(cost), 0)::BIGINT AS cost, {counts}, count(unpriced) AS unpriced, count(*) FILTER (missing) AS missing FROM t GROUP BY ALL")
    def grouped(columns, more=()):
        names = ", ".join(f"sum({name})::BIGINT" for name in ("cost", "n", *TOKENS, *more))
        for row in w.rows(f"SELECT {columns}, {names} FROM tm GROUP BY {columns}"):
            size = columns.count(",") + 1
            yield row[:size], row[size:]
    def line(bucket, counts, **more):
        cost, n, *tokens = counts[:7]
        return {"@": Num(cost), "bucket": bucket or "(none)", "count": n, **{f"{name}_tokens": count for name, count in zip(TOKENS, tokens, strict=True)}, **more}
    gold.expect("cost.spend_by_model", Rows([line(model, counts, provider=provider, unpriced_turns=counts[7], usage_missing_turns=counts[8]) for (provider, model), counts in grouped("provider, model", ("unpriced", "missing"))], key=("bucket", "provider"), falling=True))
    features = {feature: list(counts) for (feature,), counts in grouped("feature")}
    services, n = w.rows("SELECT coalesce(sum(nano_usd), 0)::BIGINT, count(*) FROM service_cost_ev WHERE ms >= :from AND ms < :to")[0]
    if n:
        # Other services have no feature, and no model either; groups by feature sum to the whole.
        row = features.setdefault(None, [0] * 7)
        row[0], row[1] = row[0] + services, row[1] + n
    gold.expect("cost.spend_by_feature", Rows([line(feature, counts) for feature, counts in features.items()], falling=True))
    other = {(provider,): (cost, n) for provider, cost, n in w.rows("SELECT provider, sum(nano_usd)::BIGINT, count(*) FROM service_cost_ev WHERE ms >= :from AND ms < :to GROUP BY 1")}
    providers = dict(grouped("provider"))
    rows = []
    for name in providers.keys() | other.keys():
        (cost, n), mine = other.get(name, (0, 0)), providers.get(name, (0,) * 7)
        rows.append(line(name[0], (mine[0] + cost, mine[1] + n, *mine[2:])))
    gold.expect("cost.spend_by_provider", Rows(rows, falling=True))
    whole = w.rows(f"SELECT coalesce(sum(cost), 0)::BIGINT, count(*), {counts} FROM t")[0]
    rows = [line("model", whole)] if whole[1] else []
    for service, cost, n in w.rows("SELECT service, sum(nano_usd)::BIGINT, count(*) FROM service_cost_ev WHERE ms >= :from AND ms < :to GROUP BY 1"):
        rows.append(line(service, (cost, n, 0, 0, 0, 0, 0)))
    gold.expect("cost.spend_by_service", Rows(rows, falling=True))
    for name, count in zip(TOKENS, whole[2:], strict=True):
        gold.expect(f"cost.tokens.{name}", Num(count))

    people = [spend for (spend,) in w.rows("SELECT spend FROM person")]
    mean = Num(half_even(sum(people), len(people)) if people else None, ci=bootstrap_interval(people), n=len(people), near=BOOTSTRAP_NEAR)
    gold.expect("cost.per_user", spread(people, mean))
    sessions = [cost for (cost,) in w.rows("SELECT cost::BIGINT FROM s")]
    sums = w.rows("SELECT sum(cost)::BIGINT, count(*) FROM s GROUP BY who")
    mean = Num(half_even(sum(sessions), len(sessions)) if sessions else None, **ratio(sums))
    gold.expect("cost.per_session", spread(sessions, mean))
    turns = [cost for (cost,) in w.rows("SELECT cost FROM t WHERE cost IS NOT NULL")]
    sums = w.rows("SELECT sum(cost)::BIGINT, count(*) FROM t WHERE cost IS NOT NULL AND who IS NOT NULL GROUP BY who")
    mean = Num(half_even(sum(turns), len(turns)) if turns else None, **ratio(sums))
    gold.expect("cost.per_turn", spread(turns, mean))
    for name, values in (("per_user", people), ("per_session", sessions), ("per_turn", turns)):
        bars = {}
        for value in values:
            bars[step_of(value)] = bars.get(step_of(value), 0) + 1
        gold.expect(f"cost.{name}.histogram", Rows([{"@": Num(count), "bucket": str(step)} for step, count in bars.items()]))
    top = sorted((-spend, -turns, key(told["salt"], u)) for spend, turns, u in w.rows("SELECT spend, turns, u FROM person WHERE spend > 0"))[:10]
    gold.expect("cost.top_users", [{"@": Num(-spend), "bucket": who, "turns": -turns} for spend, turns, who in top])

    tokens, messages = w.rows("SELECT coalesce(sum(tokens), 0)::BIGINT, coalesce(sum(turns + oks), 0)::BIGINT FROM s")[0]
    sums = w.rows("SELECT sum(tokens)::BIGINT, sum(turns + oks)::BIGINT FROM s GROUP BY who")
    gold.expect("cost.tokens_per_message", Num(tokens / messages if messages else None, **ratio(sums)))
    values = [count for (count,) in w.rows("SELECT tokens::BIGINT FROM s")]
    sums = w.rows("SELECT sum(tokens)::BIGINT, count(*) FROM s GROUP BY who")
    mean = Num(sum(values) / len(values) if values else None, **ratio(sums), abs_tol=0.5)
    gold.expect("cost.tokens_per_session", spread(values, mean))

    quality(gold, w)
    forecasts(gold, w, told, spend_of)


def quality(gold, w):
    """What could not be priced, or was guessed."""
    turns, unpriced, missing, estimated, partial, all_tokens, unpriced_tokens, estimated_tokens, savings, premium = w.rows(
        """SELECT count(*), count(unpriced), count(*) FILTER (missing), count(*) FILTER (estimated), count(*) FILTER (partial), coalesce(sum(input + output), 0)::BIGINT,
        coalesce(sum(input + output) FILTER (unpriced IS NOT NULL), 0)::BIGINT, coalesce(sum(input + output) FILTER (estimated), 0)::BIGINT, coalesce(sum(savings), 0)::BIGINT, coalesce(sum(premium), 0)::BIGINT FROM t"""
    )[0]
    share = lambda part: Num(part / all_tokens if all_tokens else None)  # noqa: E731
    gold.expect("cost.unpriced.turns", Num(unpriced))
    gold.expect("cost.unpriced.token_share", share(unpriced_tokens))
    gold.expect("cost.usage_missing", Num(missing))
    gold.expect("cost.estimated.turns", Num(estimated))
    gold.expect("cost.estimated.token_share", share(estimated_tokens))
    gold.expect("cost.partial", Num(partial))
    gold.expect("cost.not_billed", Num(0))
    gold.expect("cost.repriced", {"turns": Num(0), "spend": Num(0)})
    models = {}
    for provider, model, reason, n, tokens, first, last in w.rows("SELECT provider, model, unpriced, count(*), coalesce(sum(input + output), 0)::BIGINT, min(day)::VARCHAR, max(day)::VARCHAR FROM t WHERE unpriced IS NOT NULL GROUP BY 1, 2, 3"):
        row = models.setdefault((provider, model), {"@": Num(0), "bucket": model, "provider": provider, "reasons": {}, "tokens": 0})
        row["@"].value += n
        row["reasons"][reason] = n
        row["tokens"] += tokens
    gold.expect("cost.unpriced.models", Rows(list(models.values()), key=("bucket", "provider")))
    kept = w.db.execute("SELECT count(*) FROM turn WHERE unpriced IS NOT NULL OR (missing AND false)").fetchone()[0]
    gold.free("cost.unpriced.kept_for_repricing", f"state of the Shards, not of the window: {kept} unpriced turns are known")
    gold.free("cost.unpriced.not_kept", "state of the Shards")
    gold.expect("cost.cache_savings", Num(savings))
    gold.expect("cost.cache_write_premium", Num(premium))


def forecasts(gold, w, told, spend_of):
    """Budgets and spikes; of forecasts only that they are plausible."""
    today = w.today
    first = w.one("SELECT min(ms) FROM money WHERE cost > 0")
    past = [spend_of(*w.span(today - timedelta(days=n))) for n in range(1, 85)]
    for name, days in (("d30", 30), ("d90", 90), ("d365", 365)):
        node = gold.find(f"cost.projection.{name}")
        if node is UNSET:
            gold.expect(f"cost.projection.{name}", Num(None))
            continue
        gold.free(f"cost.projection.{name}", "a forecast: within a twentieth and 20 times of the last 84 days' pace, inside its own interval; its coverage is the statistics' test")
        whole = (today - w.day_of(first)).days if first is not None else 0
        if whole < 14:
            plausible = node["value"] is None and node["hidden"] == "not_enough_data"
        else:
            pace = sum(past[: min(84, whole)]) / min(84, whole) * days
            ci = node["ci"]
            plausible = node["value"] is not None and pace / 20 <= node["value"] <= 20 * pace and ci and ci[0] <= node["value"] <= ci[1] and 0 <= ci[0]
        (gold.good if plausible else lambda path: gold.bad(path, f"is not plausible: {node}"))(f"cost.projection.{name}")
    if told.get("budget"):
        budgets(gold, w, told["budget"], spend_of)
    else:
        gold.free("cost.budget", "none is set")
    weekday = [spend_of(*w.span(today - timedelta(days=7 * n))) for n in range(1, 9)]
    node = gold.find("cost.spike")
    if node is UNSET:
        return gold.expect("cost.spike", Num(None))
    median = statistics.median(weekday)
    mad = statistics.median([abs(spend - median) for spend in weekday])
    # A history that is all alike is no spread: of the median a twentieth at least. Above 3.5 it is one (Iglewicz & Hoaglin 1993).
    z = (spend_of(*w.span(today)) - median) / max(1.4826 * mad, median / 20, 1)
    gold.expect("cost.spike", {"@": Num(z, n=8), "median": Num(median, abs_tol=1), "mad": Num(mad, abs_tol=1), "is_spike": z > 3.5})


def budgets(gold, w, limits, spend_of):
    """Days and months of the home zone, UTC, whatever zone is asked for; `limits` in nano-USD by name."""
    day = w.now_ms // DAY_MS * DAY_MS
    month = ms_of(datetime.fromtimestamp(w.now_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    for name, start in (("day", day), ("month", month)):
        limit, spent = limits[name], spend_of(start, day + DAY_MS)
        state = "exceeded" if spent >= limit else "warning" if spent >= 0.8 * limit else "ok"
        gold.expect(f"cost.budget.{name}", {"limit": Num(limit), "spent": Num(spent), "share": Num(spent / limit), "state": state})
    node = gold.find("cost.budget.month.projected")
    gold.free("cost.budget.month.projected", "its forecast only as far as it is plausible: between what was spent until yesterday and 20 times that pace; the rest is compared")
    before = spend_of(month, day)
    if node is UNSET or node["value"] is None or not before <= node["value"] <= 20 * max(before, spend_of(month, day + DAY_MS)) + limits["month"] or not node["ci"][0] <= node["value"] <= node["ci"][1]:
        gold.bad("cost.budget.month.projected", f"is not plausible: {node}, spent until yesterday {before}")
    else:
        gold.good("cost.budget.month.projected")
    limit = limits["user_month"]
    rows = w.rows(f"SELECT u, sum(cost)::BIGINT, count(*) FROM turn WHERE u IS NOT NULL AND ms >= {month} AND ms < {day + DAY_MS} GROUP BY 1 HAVING sum(cost) >= {limit}")
    gold.expect("cost.budget.user_month.limit", Num(limit))
    gold.expect("cost.budget.user_month.users_at_limit", Num(len(rows)))
    path = ("cost", "budget", "user_month", "top_users_at_limit")
    got = gold.find(".".join(path))
    if got is not UNSET:
        top = [{"@": Num(spent), "bucket": key(gold.salt, who), "turns": turns} for who, spent, turns in rows]
        gold.compare(path, Rows(top, falling=True, top=len(got)), got)
