"""What the `usage` panel must say, but for people over time: see gold_people.py."""

from collections import Counter, defaultdict

from gold_answer import Num, Rows
from gold_cost import BOOTSTRAP_NEAR, ratio, spread
from gold_stats import bootstrap_interval, wilson

LISTED = 50


def share(hits, n):
    """A proportion with its interval."""
    return Num(hits / n if n else None, ci=wilson(hits, n), n=n)


def check(gold, w):
    """Counts, means and distributions."""
    turns, oks = w.rows("SELECT count(*), count(*) FILTER (status = 'ok') FROM t")[0]
    gold.expect("usage.turns", Num(turns))
    gold.expect("usage.messages", Num(turns + oks))
    per_day = dict(w.rows("SELECT day::VARCHAR, count(*) FROM t GROUP BY 1"))
    gold.expect("usage.turns_by_day", Rows([{"@": Num(per_day.get(str(day), 0)), "bucket": str(day)} for day in w.days]))
    sessions = w.one("SELECT count(*) FROM s")
    gold.expect("usage.sessions", Num(sessions))
    per_day = dict(w.rows("SELECT day::VARCHAR, count(*) FROM s GROUP BY 1"))
    gold.expect("usage.sessions_by_day", Rows([{"@": Num(per_day.get(str(day), 0)), "bucket": str(day)} for day in w.days]))

    people = w.rows("SELECT sessions::BIGINT, turns::BIGINT, messages::BIGINT, u FROM person")
    gold.expect("usage.users", Num(len(people)))
    fresh = w.one("SELECT count(*) FROM (SELECT u, min(ms) AS first FROM turn WHERE u IN (SELECT u FROM person) GROUP BY u) WHERE first >= :from")
    gold.expect("usage.new_users", Num(fresh))
    gold.expect("usage.returning_users", Num(len(people) - fresh))
    w.table("active", f"SELECT DISTINCT u, :local(ms)::DATE AS day, seen.first FROM turn JOIN seen USING (u) WHERE ms >= {w.start_of(w.days[0])} AND ms < :to")
    by_day = {day: counts for day, *counts in w.rows("SELECT day::VARCHAR, count(*) FILTER (first = day), count(*) FILTER (first < day) FROM active GROUP BY 1")}
    for at, name in enumerate(("new_users_by_day", "returning_users_by_day")):
        gold.expect(f"usage.{name}", Rows([{"@": Num(by_day.get(str(day), (0, 0))[at]), "bucket": str(day)} for day in w.days]))
    groups = Counter({True: "guest", False: "signed_in"}.get(guest, "(none)") for (guest,) in w.rows("SELECT guest FROM person"))
    gold.expect("usage.users_by_guest", Rows([{"@": Num(count), "bucket": name} for name, count in groups.items()]))
    groups = Counter(plan or "(none)" for (plan,) in w.rows("SELECT plan FROM person"))
    gold.expect("usage.users_by_plan", Rows([{"@": Num(count), "bucket": name} for name, count in groups.items()]))

    for at, name in enumerate(("sessions", "turns", "messages")):
        values = [row[at] for row in people]
        gold.expect(f"usage.per_user.{name}", Num(sum(values) / len(values) if values else None, ci=bootstrap_interval(values), n=len(values), near=BOOTSTRAP_NEAR))
    for name, column in (("turns", "turns"), ("messages", "turns + oks")):
        total = w.one(f"SELECT coalesce(sum({column}), 0)::BIGINT FROM s")
        sums = w.rows(f"SELECT sum({column})::BIGINT, count(*) FROM s GROUP BY who")
        gold.expect(f"usage.per_session.{name}", Num(total / sessions if sessions else None, **ratio(sums)))
    shares = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    gold.expect("usage.session_turns", spread([n for (n,) in w.rows("SELECT turns FROM s")], shares=shares))
    gold.expect("usage.session_length", spread([n for (n,) in w.rows("SELECT last_ms - ms FROM s")], shares=shares))

    cells = {(dow, hour): n for dow, hour, n in w.rows("SELECT dow, hour, count(*) FROM s GROUP BY 1, 2")}
    bucket = lambda dow, hour: f"{dow}-{hour:02}"  # noqa: E731
    week = [(dow, hour) for dow in range(1, 8) for hour in range(24)]
    gold.expect("usage.heatmap", [{"@": Num(cells.get(cell, 0)), "bucket": bucket(*cell)} for cell in week])
    cells = {(dow, hour): n for dow, hour, n in w.rows("SELECT isodow(l), hour(l), count(*) FROM (SELECT make_timestamp((ms + off * 60000) * 1000) AS l FROM s WHERE off IS NOT NULL) GROUP BY 1, 2")}
    gold.expect("usage.heatmap_local", [{"@": Num(cells.get(cell, 0)), "bucket": bucket(*cell)} for cell in week])
    gold.expect("usage.heatmap_local_unknown", Num(w.one("SELECT count(*) FROM s WHERE off IS NULL")))

    power(gold, w)
    intents(gold, w)
    endings(gold, w)
    thumbs(gold, w)


def power(gold, w):
    """Deciles of people and their kinds by sessions."""
    for name, column in (("turns", "turns"), ("spend", "spend")):
        values = sorted((int(value) for (value,) in w.rows(f"SELECT {column} FROM person")), reverse=True)
        got = gold.find(f"usage.power_users.{name}")
        n, total = len(values), sum(values)
        sizes = [row.get("users") for row in got] if isinstance(got, list) else []
        if len(sizes) != 10 or sum(sizes) != n or any(abs(size - n / 10) >= 1 for size in sizes):
            sizes = [(k + 1) * n // 10 - k * n // 10 for k in range(10)]
        rows, at = [], 0
        for k, size in enumerate(sizes):
            rows.append({"@": Num(sum(values[at : at + size]) / total if total else None), "bucket": str(k + 1), "users": size})
            at += size
        gold.expect(f"usage.power_users.{name}", rows if n else [])
    kinds = defaultdict(lambda: [0, 0, 0])
    for sessions, turns, spend in w.rows("SELECT sessions::BIGINT, turns::BIGINT, spend FROM person"):
        kind = "none" if sessions == 0 else "one" if sessions == 1 else "light" if sessions < 5 else "regular" if sessions < 20 else "heavy"
        for at, value in enumerate((1, turns, spend)):
            kinds[kind][at] += value
    total = [sum(row[at] for row in kinds.values()) for at in range(3)]
    part = lambda row, at: row[at] / total[at] if total[at] else None  # noqa: E731
    gold.expect("usage.segments", Rows([{"@": Num(kinds[kind][0]), "bucket": kind, "turns_share": part(kinds[kind], 1), "spend_share": part(kinds[kind], 2)} for kind in ("none", "one", "light", "regular", "heavy")]))


def intents(gold, w):
    """Mentions, and the first of each session."""
    w.table(
        "mention",
        """SELECT ms, id, intent, success, CASE WHEN confidence IS NULL THEN false ELSE confidence < 0.5 END AS misunderstood, 'journey' AS kind, user_id AS u, conversation_id AS conv, session_id AS sess FROM journey_ev WHERE intent IS NOT NULL
        UNION ALL SELECT ms, id, intent, NULL, json_contains(coalesce(frustration, '[]'), '"repeated"') OR json_contains(coalesce(frustration, '[]'), '"misunderstood"'), 'observation', u, NULL, sess FROM obs WHERE intent IS NOT NULL""",
    )
    rows = w.rows("SELECT intent, count(*), count(success), count(*) FILTER (success), count(*) FILTER (misunderstood) FROM mention WHERE ms >= :from AND ms < :to GROUP BY 1")
    facts = {name: counts for name, *counts in rows}
    top = gold.find("usage.intents")
    order = sorted(facts, key=lambda name: (-facts[name][0], name))
    if isinstance(top, list) and len(order) > LISTED:
        # Of equal counts any may be the last one listed.
        shown = [row["bucket"] for row in top if row["bucket"] in facts]
        least = facts[order[LISTED - 1]][0]
        fair = len(shown) == LISTED and all(facts[name][0] >= least for name in shown)
        order = shown + [name for name in order if name not in shown] if fair else order
    rows = [(name, facts[name]) for name in order[:LISTED]]
    rest = [facts[name] for name in order[LISTED:]]
    if rest:
        rows.append((":other", [sum(column) for column in zip(*rest, strict=True)]))
    gold.expect("usage.intents", Rows([{"@": Num(n), "bucket": name, "success_rate": share(yes, said), "misunderstood": share(wrong, n)} for name, (n, said, yes, wrong) in rows]))

    # The session of a mention: the same thread's, as of an observation.
    w.table(
        "mention_of",
        """SELECT m.intent, m.ms, m.id, s.sid FROM (SELECT j.*, CASE WHEN session_id IS NOT NULL THEN 's|' || coalesce(user_id, '') || '|' || session_id
          WHEN conversation_id IS NOT NULL THEN 'c|' || coalesce(user_id, '') || '|' || conversation_id WHEN user_id IS NOT NULL THEN 'u|' || user_id END AS thread
          FROM ev j WHERE type IN ('journey', 'observation') AND intent IS NOT NULL) m ASOF JOIN session s ON m.thread = s.thread AND m.ms >= s.ms
        WHERE s.named OR m.ms - s.last_ms < 1800000""",
    )
    # Of several at one instant the order is not told: any of them may be the first.
    firsts = Counter(name for (name,) in w.rows("SELECT intent FROM mention_of JOIN s USING (sid) QUALIFY row_number() OVER (PARTITION BY sid ORDER BY mention_of.ms, intent) = 1"))
    order = sorted(firsts, key=lambda name: (-firsts[name], name))
    rows = [{"@": Num(firsts[name]), "bucket": name} for name in order]
    got = gold.find("usage.first_intents")
    top = LISTED if len(order) > LISTED else None
    if isinstance(got, list) and top:
        kept = {row.get("bucket") for row in got}
        other = sum(count for name, count in firsts.items() if name not in kept)
        rows = [row for row in rows if row["bucket"] in kept] + ([{"@": Num(other), "bucket": ":other"}] if ":other" in kept else [])
    gold.expect("usage.first_intents", Rows(rows, falling=True, top=top))


def endings(gold, w):
    """Sessions that end without a whole reply."""
    sessions, gone = w.rows("SELECT count(*), count(*) FILTER (none_ok) FROM s")[0]
    gold.expect("usage.abandonment.sessions", Num(gone))
    gold.expect("usage.abandonment.share", share(gone, sessions))
    counts = Counter(str(turns) if turns <= 10 else "11+" for (turns,) in w.rows("SELECT turns FROM s WHERE none_ok"))
    gold.expect("usage.abandonment.by_turn_number", Rows([{"@": Num(counts[name]), "bucket": name} for name in [*map(str, range(1, 11)), "11+"]]))


def thumbs(gold, w):
    """Satisfaction."""
    ratings = dict(w.rows("SELECT rating, count(*) FROM feedback_ev WHERE ms >= :from AND ms < :to GROUP BY 1"))
    up, down = ratings.get("up", 0), ratings.get("down", 0)
    gold.expect("usage.satisfaction.up", Num(up))
    gold.expect("usage.satisfaction.down", Num(down))
    gold.expect("usage.satisfaction.ratio", share(up, up + down))
    stars = {n: ratings.get(str(n), 0) for n in range(1, 6)}
    gold.expect("usage.satisfaction.stars", Rows([{"@": Num(count), "bucket": str(n)} for n, count in stars.items()]))
    rated = sum(stars.values())
    gold.expect("usage.satisfaction.stars_mean", Num(sum(n * count for n, count in stars.items()) / rated if rated else None))
    for name, column in (("by_model", "model"), ("by_intent", "intent")):
        rows = w.rows(f"SELECT coalesce({column}, '(none)'), count(*) FILTER (rating = 'up'), count(*) FILTER (rating = 'down') FROM feedback_ev WHERE ms >= :from AND ms < :to AND rating IN ('up', 'down') GROUP BY 1")
        got = gold.find(f"usage.satisfaction.{name}")
        shown = {row.get("bucket") for row in got} if isinstance(got, list) else set()
        if len(rows) > LISTED and ":other" in shown:
            rest = [row for row in rows if row[0] not in shown]
            rows = [row for row in rows if row[0] in shown] + [(":other", sum(row[1] for row in rest), sum(row[2] for row in rest))]
        gold.expect(f"usage.satisfaction.{name}", Rows([{"@": share(ups, ups + downs), "bucket": bucket, "up": ups, "down": downs} for bucket, ups, downs in rows]))
