"""What the `sentiment` and `crisis` panels must say."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

from gold_answer import UNSET, Num, Rows
from gold_cost import spread
from gold_stats import order_interval, quantile
from gold_usage import share

CATALOGUE = ["joy", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation", "neutral"]
WEIGHTS = {"must_be": 3, "performance": 2, "attractive": 2.5, "indifferent": 0.5}
WISHES = 20


def check(gold, w):
    """The sentinel's labels, and what people wish for."""
    w.table("o", "SELECT *, hour(:local(ms)) AS hour FROM obs WHERE ms >= :from AND ms < :to")
    n, flagged = w.rows("SELECT count(*), count(*) FILTER (flagged) FROM o")[0]
    gold.expect("sentiment.observations", Num(n))

    of = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for sid, emotion, intensity, count in w.rows("SELECT sid, emotion, sum(intensity)::BIGINT, count(*) FROM obs JOIN s USING (sid) GROUP BY 1, 2"):
        of[sid][emotion] = [intensity, count]
    dominant = {sid: min(seen, key=lambda emotion: (-seen[emotion][0], -seen[emotion][1], CATALOGUE.index(emotion))) for sid, seen in of.items()}
    counts = Counter(dominant.values())
    gold.expect("sentiment.emotions", Rows([{"@": share(counts[name], len(dominant)), "bucket": name, "sessions": counts[name]} for name in CATALOGUE]))
    day_of = dict(w.rows("SELECT sid, day::VARCHAR FROM s"))
    by_day = defaultdict(Counter)
    for sid, emotion in dominant.items():
        by_day[day_of[sid]][emotion] += 1
    rows, got = [], gold.find("sentiment.emotions_by_day")
    listed = {row.get("bucket") for row in got if "by_emotion" in row} if isinstance(got, list) else set()
    for day in map(str, w.days):
        row = {"@": Num(sum(by_day[day].values())), "bucket": day}
        if by_day[day] or day in listed:
            row["by_emotion"] = {name: by_day[day][name] for name in CATALOGUE}
        rows.append(row)
    gold.expect("sentiment.emotions_by_day", Rows(rows))

    gold.expect("sentiment.frustration.rate", share(flagged, n))
    flags = dict(w.rows("SELECT flag, count(*) FROM (SELECT DISTINCT id, unnest(from_json(frustration, '[\"VARCHAR\"]')) AS flag FROM o WHERE flagged) GROUP BY 1"))
    gold.expect("sentiment.frustration.flags", Rows([{"@": Num(count), "bucket": name} for name, count in flags.items()]))
    turn_number = "CASE WHEN turn_index IS NULL THEN '(none)' WHEN turn_index >= 10 THEN '10+' ELSE turn_index::VARCHAR END"
    groups = {
        "by_intent": "coalesce(intent, '(none)')", "by_model": "CASE WHEN sid IS NULL THEN '(none)' ELSE last_model END", "by_model_version": "model_version",
        "by_hour": "lpad(hour::VARCHAR, 2, '0')", "by_turn_number": turn_number, "heatmap": f"lpad(hour::VARCHAR, 2, '0') || '-' || {turn_number}",
    }
    for name, by in groups.items():
        rows = w.rows(f"SELECT {by}, count(*) FILTER (flagged), count(*) FROM o GROUP BY 1")
        got = gold.find(f"sentiment.frustration.{name}")
        shown = {row.get("bucket") for row in got} if isinstance(got, list) else set()
        if ":other" in shown:
            rest = [row for row in rows if row[0] not in shown]
            rows = [row for row in rows if row[0] in shown] + [(":other", sum(row[1] for row in rest), sum(row[2] for row in rest))]
        gold.expect(f"sentiment.frustration.{name}", Rows([{"@": share(hits, count), "bucket": bucket} for bucket, hits, count in rows]))
    wishes(gold, w)
    gold.expect("sentiment.wish_weights", dict(WEIGHTS))
    weeks = gold.find("sentiment.audit.weeks")
    if weeks is UNSET:
        gold.missing["sentiment.audit.weeks"] += 1
    else:
        # Weeks of UTC, whatever the zone: the window's first and last day may lie in another one there.
        first, last = (datetime.fromtimestamp(ms // 1000, UTC).date() for ms in (w.from_ms, w.to_ms - 1))
        mondays = {str(day - timedelta(days=day.weekday())) for n in range((last - first).days + 1) for day in [first + timedelta(days=n)]}
        stray = [row for row in weeks if row.get("bucket") not in mondays or (row.get("value") or 0) < len(row.get("ids") or []) or (row.get("agreed") or 0) > (row.get("checked") or 0)]
        gold.free("sentiment.audit.weeks", "the page does not say how observations are sampled: checked that weeks are of the window, ids at most the value, agreed at most checked")
        (gold.bad if stray else lambda path, _: gold.good(path))("sentiment.audit.weeks", f"{len(stray)} weeks are odd")
    gold.expect("sentiment.moments.handed_in", Num(w.one("SELECT count(*) FROM moment_ev WHERE ms >= :from AND ms < :to")))


def wishes(gold, w):
    """Frequency × weight × confidence."""
    rows = w.rows(
        """SELECT wish->>'tag', wish->>'kano', confidence FROM o WHERE wish IS NOT NULL
        UNION ALL SELECT unnest(from_json(wishes, '["VARCHAR"]')), NULL, 1.0 FROM feedback_ev WHERE ms >= :from AND ms < :to AND wishes IS NOT NULL"""
    )
    tiers, sure = defaultdict(Counter), defaultdict(list)
    for tag, tier, confidence in rows:
        sure[tag].append(confidence)
        if tier:
            tiers[tag][tier] += 1
    status = dict(w.db.execute("SELECT code, arg_max(kind, ms) FROM notice_ev WHERE kind LIKE 'wish_%' GROUP BY 1").fetchall())
    scored = []
    for tag, confidences in sure.items():
        tier = max(tiers[tag], key=lambda name: (tiers[tag][name], WEIGHTS[name])) if tiers[tag] else "performance"
        mean = sum(confidences) / len(confidences)
        score = len(confidences) * WEIGHTS[tier] * mean
        said = {"wish_building": "building", "wish_planned": "planned", "wish_declined": "declined"}.get(status.get(tag), "open")
        scored.append({"@": Num(score), "bucket": tag, "frequency": len(confidences), "tier": tier, "weight": WEIGHTS[tier], "confidence": mean, "status": said})
    scored.sort(key=lambda row: (-row["@"].value, row["bucket"]))
    gold.expect("sentiment.wishes", Rows(scored[:WISHES], falling=True, top=WISHES))


def check_crisis(gold, w):
    """Counts that the law wants right."""
    true = "NOT coalesce(false_positive, false)"
    at = "ms >= :from AND ms < :to"
    count = lambda event, where=at: w.one(f"SELECT count(*) FROM crisis_ev WHERE event = '{event}' AND {true} AND {where}")  # noqa: E731
    gold.expect("crisis.flagged", Num(count("flagged")))
    gold.expect("crisis.referrals", Num(count("referral")))
    gold.expect("crisis.escalations", Num(count("escalation")))
    today = w.today
    for name, days in (("today", 1), ("week", today.weekday() + 1), ("month", today.day)):
        start, end = w.span(today, days)
        where = f"ms >= {start} AND ms < {end}"
        severities = {str(severity): n for severity, n in w.rows(f"SELECT severity::BIGINT, count(*) FROM crisis_ev WHERE event = 'flagged' AND {true} AND {where} GROUP BY 1")}
        path = f"crisis.flagged_{name}"
        node = gold.find(path)
        gold.expect(path, Num(count("flagged", where)))
        if isinstance(node, dict):
            by = node.get("by_severity")
            if isinstance(by, list):
                gold.compare((*path.split("."), "by_severity"), Rows([{"@": Num(n), "bucket": severity} for severity, n in severities.items()]), by)
            elif isinstance(by, dict):
                gold.compare((*path.split("."), "by_severity"), {severity: n for severity, n in severities.items()} | {severity: 0 for severity in by if severity not in severities}, by)
            else:
                gold.bad(path, "has no by_severity")
    rows = w.rows(f"SELECT severity::BIGINT, count(*) FROM crisis_ev WHERE event = 'flagged' AND {true} AND {at} GROUP BY 1")
    gold.expect("crisis.flagged_by_severity", Rows([{"@": Num(n), "bucket": str(severity)} for severity, n in rows]))
    rows = w.rows(f"SELECT disposition, count(*) FROM crisis_ev WHERE event = 'disposition' AND {at} AND {true} GROUP BY 1")
    gold.expect("crisis.dispositions", Rows([{"@": Num(n), "bucket": name} for name, n in rows]))
    rows = w.rows(f"SELECT severity, count(*) FROM incident_ev WHERE {at} AND NOT coalesce(resolved, false) GROUP BY 1")
    gold.expect("crisis.incidents", Rows([{"@": Num(n), "bucket": name} for name, n in rows]))
    waits = [s for (s,) in w.rows(f"SELECT escalation_s FROM crisis_ev WHERE event = 'escalation' AND {true} AND escalation_s IS NOT NULL AND {at}")]
    gold.expect("crisis.time_to_escalation", spread(waits, shares={"median": 0.5, "p95": 0.95}))
    rows = w.rows(f"SELECT coalesce(detector_version, '(none)'), count(*), count(*) FILTER (coalesce(false_positive, false)) FROM crisis_ev WHERE event = 'flagged' AND {at} GROUP BY 1")
    gold.expect("crisis.detectors", Rows([{"@": Num(n), "bucket": name, "false_positives": wrong} for name, n, wrong in rows]))
    wrong, flags = sum(row[2] for row in rows), sum(row[1] for row in rows)
    gold.expect("crisis.false_positives", Num(wrong))
    gold.expect("crisis.false_positive_share", share(wrong, flags))
    rows = w.rows(f"SELECT year(timezone('America/Los_Angeles', make_timestamptz(ms * 1000))), count(*) FROM crisis_ev WHERE event = 'referral' AND {true} GROUP BY 1")
    gold.expect("crisis.referrals_by_year", Rows([{"@": Num(n), "bucket": str(year), "counted": Num(n), "imported": Num(0)} for year, n in rows]))
