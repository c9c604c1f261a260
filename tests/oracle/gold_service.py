"""What the `demographics`, `operations` and `integrations` panels must say."""

import math
from collections import Counter, defaultdict

from gold_answer import UNSET, Num, Rows
from gold_stats import order_interval, quantile
from gold_usage import share
from gold_window import DAY_MS, MINUTE_MS

GOOD_POOR = {"lcp": (2500, 4000), "inp": (200, 500), "cls": (100, 250), "fcp": (1800, 3000), "ttfb": (800, 1800)}
STALE_MS = 3 * DAY_MS
ACTIVE_MS = 30 * MINUTE_MS


def offset_name(minutes):
    """`+05:45`."""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def in_window(w, requests):
    """The requests that the test made, of people and of robots."""
    mine = [one for one in requests if w.from_ms <= one["ms"] < w.to_ms]
    return [one for one in mine if not one["bot"]], [one for one in mine if one["bot"]], mine


def check_demographics(gold, w, told):
    """Where people are, and what they come with."""
    people, robots, _ = in_window(w, told["requests"])
    persons = dict(w.rows("SELECT coalesce(country, '(none)'), count(*) FROM person GROUP BY 1"))
    sessions = dict(w.rows("SELECT coalesce(country, '(none)'), count(*) FROM s GROUP BY 1"))
    turns = dict(w.rows("SELECT coalesce(country, '(none)'), count(*) FROM t WHERE thread IS NOT NULL GROUP BY 1"))
    asked = Counter(one["country"] or "(none)" for one in people)
    names = persons.keys() | sessions.keys() | turns.keys() | asked.keys()
    gold.expect("demographics.countries", Rows([{"@": Num(persons.get(name, 0)), "bucket": name, "sessions": sessions.get(name, 0), "turns": turns.get(name, 0), "requests": asked[name]} for name in names]))
    for name, fact in (("devices", "device"), ("browsers", "browser"), ("systems", "os"), ("referrers", "referrer")):
        counts = Counter(one[fact] or "(none)" for one in people)
        if name == "referrers":
            got = gold.find("demographics.referrers")
            if isinstance(got, list) and not any(row.get("bucket") == "(none)" for row in got):
                counts.pop("(none)", None)
        gold.expect(f"demographics.{name}", Rows([{"@": Num(count), "bucket": bucket} for bucket, count in counts.items()], falling=True))
    hours = defaultdict(lambda: [0] * 24)
    for off, hour, n in w.rows("SELECT off, hour(make_timestamp((ms + off * 60000) * 1000)), count(*) FROM s WHERE off IS NOT NULL GROUP BY 1, 2"):
        hours[off][hour] = n
    persons = dict(w.rows("SELECT off, count(*) FROM person WHERE off IS NOT NULL GROUP BY 1"))
    got = gold.find("demographics.offsets")
    rows = []
    for off in persons.keys() | hours.keys():
        by_hour = hours[off]
        row = {"@": Num(persons.get(off, 0)), "bucket": offset_name(off), "sessions": sum(by_hour), "by_hour": by_hour}
        if sum(by_hour):
            row["peak_hour"] = by_hour.index(max(by_hour))
        rows.append(row)
    if isinstance(got, list) and any(row.get("bucket") == "(none)" for row in got):
        index = next(n for n, row in enumerate(got) if row.get("bucket") == "(none)")
        rows.append({"@": Num(w.one("SELECT count(*) FROM person WHERE off IS NULL")), "bucket": "(none)", "sessions": w.one("SELECT count(*) FROM s WHERE off IS NULL")})
        for name in ("by_hour", "peak_hour"):
            gold.take(("demographics", "offsets", index, name), got[index].get(name))
    gold.expect("demographics.offsets", Rows(rows))
    gold.reasons["demographics.peak_hours"] = "is `peak_hour` of `offsets`"
    gold.expect("demographics.bots.total", Num(len(robots)))
    gold.expect("demographics.bots.by_kind", Rows([{"@": Num(n), "bucket": kind} for kind, n in Counter(one["bot"] for one in robots).items()]))


def over(values):
    """Shares that took longer than two and five seconds."""
    return {f"over_{s}s": Num(sum(ms > s * 1000 for ms in values) / len(values) if values else None, n=len(values)) for s in (2, 5)}


def timing(values, shares=(("p50", 0.5), ("p95", 0.95), ("p99", 0.99))):
    """Quantiles with their intervals."""
    values = sorted(values)
    return {name: Num(quantile(values, q), ci=order_interval(values, q), n=len(values)) for name, q in shares}


def check_operations(gold, w, told):
    """How the app and its model providers do."""
    now = w.now_ms
    gold.expect("operations.active_sessions", Num(w.one(f"SELECT count(*) FROM session WHERE last_ms > {now - ACTIVE_MS} AND ms <= {now}")))
    minute = now // MINUTE_MS * MINUTE_MS
    gold.expect("operations.turns_per_second", Num(w.one(f"SELECT count(*) FROM turn WHERE ms >= {minute - 5 * MINUTE_MS} AND ms < {minute}") / 300))
    model_api(gold, w)
    for name, column in (("latency", "latency_ms"), ("ttft", "ttft_ms")):
        by_model = defaultdict(list)
        for model, ms in w.rows(f"SELECT model, {column} FROM t WHERE {column} IS NOT NULL"):
            by_model[model].append(ms)
        values = [ms for of in by_model.values() for ms in of]
        path = f"operations.{name}"
        if gold.find(path) is UNSET:
            gold.missing[gold.row(f"{path}.p50")] += 1
            continue
        gold.expect(path, timing(values) | over(values))
        rows = []
        got = gold.find(f"{path}.by_model")
        for model, of in by_model.items():
            like = next((row for row in got if row.get("bucket") == model), {}) if isinstance(got, list) else {}
            parts = timing(of) | over(of) | {"count": len(of)}
            row = {"bucket": model, **(parts if not like else {part: num for part, num in parts.items() if part in like})}
            rows.append(row | ({"@": parts["p50"]} if "value" in like else {}))
        if got is not UNSET:
            gold.expect(f"{path}.by_model", Rows(rows))
    edge(gold, w, told)
    actions = defaultdict(list)
    for name, ms in w.rows("SELECT name, duration_ms FROM journey_ev WHERE duration_ms IS NOT NULL AND ms >= :from AND ms < :to"):
        actions[name].append(ms)
    rows = []
    for name, values in actions.items():
        at = timing(values)
        rows.append({"@": at["p50"], "bucket": name, "p95": at["p95"], "count": len(values)})
    gold.expect("operations.actions", Rows(rows))
    vitals(gold, w, told)
    errors(gold, w)
    balance(gold, w, told)


def model_api(gold, w):
    """By provider: the last hour, the last five minutes."""
    now = w.now_ms
    # Minutes are whole ones; the one that runs is beside the five, and the sixty.
    recent, hour = (now // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS for minutes in (5, 60))
    rows = w.rows(
        f"""SELECT provider, count(*) FILTER (ms >= {hour}), count(*) FILTER (ms >= {hour} AND status IN ('error', 'timeout')),
        count(*) FILTER (ms >= {recent}), count(*) FILTER (ms >= {recent} AND status IN ('error', 'timeout')) FROM turn WHERE ms <= {now} GROUP BY 1"""
    )
    codes = defaultdict(Counter)
    for provider, code, n in w.rows("SELECT provider, coalesce(error_code, status), count(*) FROM t WHERE status IN ('error', 'timeout') GROUP BY 1, 2"):
        codes[provider][code] = n
    got = gold.find("operations.model_api")
    seen = {row.get("bucket") for row in got} if isinstance(got, list) else set()
    out = []
    for provider, hour, failed, recent, recent_failed in rows:
        if not hour and provider not in seen:
            continue
        state = "idle" if not hour else "down" if recent >= 3 and 2 * recent_failed >= recent else "up"
        out.append({
            "@": share(failed, hour), "bucket": provider, "error_rate_5m": share(recent_failed, recent), "state": state,
            "codes": Rows([{"@": Num(n), "bucket": code} for code, n in codes[provider].items()]),
        })
    gold.expect("operations.model_api", Rows(out))


def edge(gold, w, told):
    """Requests that the test made through the edge."""
    _, robots, requests = in_window(w, told["requests"])
    n = len(requests)
    client = sum(400 <= one["status"] < 500 for one in requests)
    server = sum(one["status"] >= 500 for one in requests)
    away = sum(one.get("unreachable", False) for one in requests)
    gold.expect("operations.requests.total", Num(n))
    gold.expect("operations.requests.client_errors", Num(client))
    gold.expect("operations.requests.server_errors", Num(server))
    gold.expect("operations.requests.origin_unreachable", Num(away))
    for name, hits in (("client_error_share", client), ("server_error_share", server)):
        gold.expect(f"operations.requests.{name}", share(hits, n))
    gold.expect("operations.requests.per_second", Num(n / ((min(w.to_ms, w.now_ms) - w.from_ms) / 1000), tol=0.01))
    node = gold.find("operations.ttfb")
    if node is UNSET:
        gold.missing["operations.ttfb.p50"] += 1
    else:
        gold.free("operations.ttfb", "")
        for name in ("p50", "p95", "p99"):
            gold.reasons[f"operations.ttfb.{name}"] = "what the edge measured is not known outside: checked that p50 ≤ p95 ≤ p99, and on how many requests they rest"
        values = [node[name]["value"] for name in ("p50", "p95", "p99")]
        fine = values == sorted(values, key=lambda value: value or 0) and node["p50"]["n"] == n if n else values == [None] * 3
        (gold.good if fine else lambda path: gold.bad(path, f"is {values} of {node['p50']['n']}, made were {n}"))("operations.ttfb.p50")
    for name, fact in (("routes", "route"), ("referrers", "referrer")):
        groups = defaultdict(list)
        for one in requests:
            if one[fact]:
                groups[one[fact]].append(one["status"])
        rows = []
        for bucket, statuses in groups.items():
            row = {"@": Num(len(statuses)), "bucket": bucket}
            row["client_errors"] = sum(400 <= status < 500 for status in statuses)
            row["server_errors"] = sum(status >= 500 for status in statuses)
            rows.append(row)
        gold.expect(f"operations.{name}", Rows(rows, falling=True))
    gold.expect("operations.bots", {"total": Num(len(robots)), "by_kind": Rows([{"@": Num(count), "bucket": kind} for kind, count in Counter(one["bot"] for one in robots).items()])})


def vitals(gold, w, told):
    """At the 75th percentile, rated by the usual thresholds."""
    groups = defaultdict(list)
    rows = w.rows("SELECT name, url, '(none)', value FROM vital_ev WHERE ms >= :from AND ms < :to")
    rows += [(one["name"], one["route"], one["device"] or "(none)", one["value"]) for one in told["vitals"] if w.from_ms <= one["ms"] < w.to_ms]
    for name, page, device, value in rows:
        groups[name, page, device].append(math.floor(value * (1000 if name == "cls" else 1) + 0.5))
    got = gold.find("operations.vitals")
    # The rating is that of the value shown, which is compared within its error.
    shown = {(row["name"], row["page"], row["device"]): row["value"] for row in got or [] if row.get("exact") is False}
    out = []
    for (name, page, device), values in groups.items():
        values.sort()
        p75 = quantile(values, 0.75)
        good, poor = GOOD_POOR[name]
        rated = shown.get((name, page, device), p75)
        rating = "good" if rated <= good else "poor" if rated > poor else "needs_improvement"
        out.append({"@": Num(p75, ci=order_interval(values, 0.75), n=len(values)), "name": name, "page": page, "device": device, "rating": rating, "count": len(values)})
    if isinstance(got, list) and got and got[0].get("ci") is None and all(row.get("ci") is None for row in got):
        # The page names no interval for them.
        for row in out:
            row["@"].ci = UNSET
    gold.expect("operations.vitals", Rows(out, key=("name", "page", "device")))


def errors(gold, w):
    """By component and code."""
    rows = w.rows(
        f"""SELECT component, code, count(*) FILTER (ms >= :from), count(DISTINCT user_id) FILTER (ms >= :from), count(*) FILTER (ms < :from), count(*) FILTER (fatal AND ms >= :from)
        FROM error_ev WHERE ms >= {w.from_ms - 30 * DAY_MS} AND ms < :to GROUP BY 1, 2"""
    )
    out = [{"@": Num(n), "code": code, "component": component, "users": users, "is_new": not before, "fatal": fatal} for component, code, n, users, before, fatal in rows if n]
    gold.expect("operations.errors", Rows(out, key=("component", "code"), falling=True))
    gold.expect("operations.reported_errors", Num(sum(row["@"].value for row in out)))


def balance(gold, w, told):
    """The intake's balance is of the time of receipt: it is in windows that end today."""
    sent = told["intake"]
    if w.from_ms <= w.now_ms < w.to_ms and w.from_ms <= sent["from_ms"]:
        erased = w.db.execute("SELECT count(*) FROM raw WHERE user_id IN (SELECT user_id FROM erased)").fetchone()[0]
        kept = w.db.execute("SELECT count(*) FROM ev JOIN raw USING (id) WHERE raw.user_id IN (SELECT user_id FROM erased)").fetchone()[0]
        for name in ("duplicate", "dead_lettered"):
            gold.expect(f"operations.intake.{name}", Num(sent[name]))
        gold.expect("operations.intake.dropped", Num(sum(sent["dropped"].values())))
        # Erased events are as if they had never been.
        gold.expect("operations.intake.stored", Num(sent["stored"] - erased + kept))
        gold.expect("operations.intake.received", Num(sent["received"] - erased + kept))
        gold.expect("operations.intake.dropped_by_reason", Rows([{"@": Num(n), "bucket": reason} for reason, n in sent["dropped"].items()]))
        minutes = gold.find("operations.intake_last_hour")
        for name in ("received", "stored", "duplicate", "dropped", "dead_lettered"):
            total = gold.find(f"operations.intake.{name}")
            if total is UNSET or minutes is UNSET:
                continue
            summed = sum(row["balance"][name]["value"] for row in minutes)
            if now_short(w, sent) and summed != total["value"]:
                gold.bad("operations.intake_last_hour", f"sums to {summed} {name}, the intake's is {total['value']}")
            else:
                gold.good("operations.intake_last_hour")
    gold.free("operations.intake", "the balance is of the time of receipt, which was within the last minutes: compared in windows that hold all of it")
    gold.free("operations.intake_last_hour", "minutes of receipt: their sums are compared with the intake's")
    gold.free("operations.dead_letters", "lists what was refused: their number is compared in the intake's balance")
    gold.free("operations.lake", "how far the files are: tests/e2e/lake.test.mjs compares them row by row")
    gold.free("operations.shards", "state of the objects: checked that all can be reached")
    shards = gold.find("operations.shards")
    fine = isinstance(shards, list) and len(shards) == told["shards"] and all(row["reachable"] for row in shards)
    (gold.good if fine else lambda path: gold.bad(path, "are not all there"))("operations.shards")


def now_short(w, sent):
    """Whether everything was sent within the last hour."""
    return w.now_ms - sent["from_ms"] < 59 * MINUTE_MS


def check_integrations(gold, w):
    """Platforms that people have connected."""
    names = [name for (name,) in w.db.execute("SELECT DISTINCT platform FROM platform_ev").fetchall()]
    counts = {(platform, event): n for platform, event, n in w.rows("SELECT platform, event, count(*) FROM platform_ev WHERE ms >= :from AND ms < :to GROUP BY 1, 2")}
    reasons = defaultdict(list)
    for platform, reason, n in w.rows("SELECT platform, coalesce(reason, '(none)'), count(*) FROM platform_ev WHERE event = 'connection_failed' AND ms >= :from AND ms < :to GROUP BY 1, 2"):
        reasons[platform].append({"@": Num(n), "bucket": reason})
    got = {path: gold.find(f"integrations.{path}") for path in ("platforms", "connected", "api", "freshness")}
    shown = {path: {row.get("bucket") for row in rows} if isinstance(rows, list) else set() for path, rows in got.items()}
    rows = []
    for name in names:
        made, failed, off, gone = (counts.get((name, event), 0) for event in ("connected", "connection_failed", "disconnected", "expired"))
        if made + failed + off + gone or name in shown["platforms"]:
            rows.append({"@": Num(made), "bucket": name, "failed": failed, "reasons": Rows(reasons[name]), "success_rate": share(made, made + failed), "disconnected": off, "expired": gone})
    gold.expect("integrations.platforms", Rows(rows))

    standing = w.db.execute(
        f"""SELECT platform, user_id, arg_max(event, (ms, id)) FILTER (event IN ('connected', 'synced', 'disconnected', 'expired')) AS latest, max(ms) FILTER (event = 'synced') AS synced, max(ms) FILTER (event = 'connected') AS made,
        arg_max(token_expires_days, (ms, id)) FILTER (token_expires_days IS NOT NULL) AS days, max(ms) FILTER (token_expires_days IS NOT NULL) AS told
        FROM platform_ev WHERE user_id IS NOT NULL AND ms <= {w.now_ms} GROUP BY 1, 2"""
    ).fetchall()
    connected, expired, stale, expiring = Counter(), Counter(), Counter(), 0
    for platform, _, latest, synced, made, days, said in standing:
        if latest == "expired":
            expired[platform] += 1
        if latest in ("connected", "synced"):
            connected[platform] += 1
            heard = synced if synced is not None else made
            stale[platform] += heard is not None and w.now_ms - heard > STALE_MS
            if days is not None:
                ends = said + days * DAY_MS
                expiring += w.now_ms < ends <= w.now_ms + 7 * DAY_MS
    gold.expect("integrations.connected", Rows([{"@": Num(connected[name]), "bucket": name, "expired": expired[name]} for name in names]))
    gold.expect("integrations.tokens_expiring", Num(expiring))

    latencies = defaultdict(list)
    for platform, ms in w.rows("SELECT platform, latency_ms FROM platform_ev WHERE event = 'api_call' AND latency_ms IS NOT NULL AND ms >= :from AND ms < :to"):
        latencies[platform].append(ms)
    failed = dict(w.rows("SELECT platform, count(*) FILTER (coalesce(status, '0')::INT >= 400 OR status IS NULL) FROM platform_ev WHERE event = 'api_call' AND ms >= :from AND ms < :to GROUP BY 1"))
    rows = []
    for name in names:
        calls, limited = counts.get((name, "api_call"), 0), counts.get((name, "rate_limited"), 0)
        if calls + limited or name in shown["api"]:
            rows.append({"@": Num(calls), "bucket": name, "error_rate": share(failed.get(name, 0), calls), "latency": timing(latencies[name], (("p50", 0.5), ("p95", 0.95))), "rate_limited": limited})
    gold.expect("integrations.api", Rows(rows))
    rows = []
    for name, latest in w.db.execute("SELECT platform, max(ms) FROM platform_ev WHERE event = 'synced' GROUP BY 1").fetchall():
        rows.append({"@": Num(w.now_ms - latest), "bucket": name, "stale": stale[name]})
    gold.expect("integrations.freshness", Rows(rows))
