"""Reads the events that were sent into a DuckDB file, as the pages say that they count: each once, without the people who are not
there, turns priced by the reference package, sessions cut from raw ids. Nothing of Sage is used."""

import json
from collections import defaultdict
from decimal import ROUND_HALF_EVEN
from functools import lru_cache

import duckdb
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from prices_oracle import FIELDS, oracle
from turns_oracle import usage_of

GAP_MS = 30 * 60_000

COLUMNS = {
    **dict.fromkeys(
        "type id ts user_id conversation_id session_id country plan provider model feature status error_code intent rating "
        "emotion model_version name funnel step platform event reason component code service item severity detector_version "
        "disposition kind purpose state url".split(),
        "VARCHAR",
    ),
    **dict.fromkeys("usage provider_usage price_context wishes frustration wish".split(), "JSON"),
    **dict.fromkeys("guest opted_out age_13_plus partial success fatal false_positive resolved".split(), "BOOLEAN"),
    **dict.fromkeys("utc_offset_minutes turn_index latency_ms ttft_ms user_chars assistant_chars intensity".split(), "BIGINT"),
    **dict.fromkeys("duration_ms token_expires_days escalation_s nano_usd".split(), "BIGINT"),
    **dict.fromkeys("confidence value".split(), "DOUBLE"),
    "text": "VARCHAR",
    "message": "VARCHAR",
}

# docs/privacy.md: what becomes of each kind, of someone who is not there and of someone who was erased.
KEPT, STRIPPED, DROPPED = "kept", "stripped", "dropped"
ABSENT = dict.fromkeys(["turn", "service_cost", "error", "crisis", "incident", "notice"], STRIPPED) | {"consent": KEPT}
ERASED = dict.fromkeys(["crisis", "incident", "notice"], STRIPPED)


def connect(path):
    """The database, with the zones of DuckDB's ICU."""
    db = duckdb.connect(path)
    db.execute("SET TimeZone='UTC'")
    return db


def absent_events(db):
    """Ids of events whose person was not there when they came: the newest choice holds, in the order of sending."""
    rows = db.execute(
        """SELECT user_id, id, type, ms, opted_out, age_13_plus, purpose, state FROM raw
        WHERE user_id IN (SELECT user_id FROM raw WHERE opted_out OR age_13_plus IS NOT NULL OR type = 'consent')
        ORDER BY file, line"""
    ).fetchall()
    choices, absent = defaultdict(dict), []
    for user, event, kind, ms, out, age, purpose, state in rows:
        known = choices[user]
        said = []
        if out:
            said.append(("analytics", False))
        if age is not None:
            said.append(("age_13_plus", age))
        if kind == "consent" and purpose in ("analytics", "age_13_plus"):
            said.append((purpose, state == "granted"))
        for what, yes in said:
            at, was = known.get(what, (None, None))
            if at is None or ms > at or (ms == at and not yes):
                known[what] = (ms, yes)
        if any(not yes for _, yes in known.values()):
            absent.append((event,))
    # Of someone unknown only that event is treated so.
    absent += db.execute("SELECT id FROM raw WHERE user_id IS NULL AND (opted_out OR age_13_plus = false)").fetchall()
    return absent


@lru_cache(maxsize=None)
def changes(provider, model):
    """Whether a model's price depends on when."""
    known = next((one for one in providers if one.id == provider), None)
    found = known and known.find_model(model)
    return bool(found) and isinstance(found.prices, list)


def exact_price(case, usage):
    """The package's price of other counts, unrounded."""
    from datetime import datetime

    counts = Usage(**{theirs: usage.get(ours, 0) for ours, theirs in FIELDS.items()})
    when = datetime.fromisoformat(case["ts"])
    said = calc_price(counts, case["model"], provider_id=case["provider"], genai_request_timestamp=when, price_context=case.get("context"))
    return said.total_price


def priced(turn):
    """(cost, reason, missing, estimated, five counts of tokens, savings, premium) of a turn."""
    turn = {name: value for name, value in turn.items() if value is not None}
    context = turn.pop("price_context", None)
    usage = usage_of(turn)
    if usage is None:
        return None, None, True, False, None, None, None, None, None, 0, 0
    case = {"provider": turn["provider"], "model": turn["model"], "ts": turn["ts"], "usage": usage}
    if context:
        case["context"] = context
    said = oracle(case)
    estimated = "estimated" in turn
    reason = said if isinstance(said, str) else None
    if reason and estimated:
        return None, reason, False, False, None, None, None, None, None, 0, 0
    tokens = [usage.get(name, 0) for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")]
    if reason:
        return None, reason, False, False, *tokens, 0, 0
    nano = lambda amount: int((amount * 10**9).to_integral_value(rounding=ROUND_HALF_EVEN))  # noqa: E731
    # What the cached would have cost as plain input; rounded once, as a turn is.
    without = lambda word: {name: 0 if name.startswith("cache_") and word in name else count for name, count in usage.items()}  # noqa: E731
    paid = said[0]
    savings = nano(exact_price(case, without("read")) - paid) if tokens[2] else 0
    premium = nano(paid - exact_price(case, without("write"))) if tokens[3] else 0
    return said[3], None, False, estimated, *tokens, savings, premium


def price_all(db):
    """Prices every turn that differs from the others in what decides its price."""
    rows = db.execute(
        """SELECT DISTINCT provider, model, usage::VARCHAR, provider_usage::VARCHAR, price_context::VARCHAR,
        CASE WHEN usage IS NULL AND provider_usage IS NULL THEN user_chars END, CASE WHEN usage IS NULL AND provider_usage IS NULL THEN assistant_chars END,
        CASE WHEN price_context IS NOT NULL OR changes(provider, model) THEN ts ELSE '' END FROM ev WHERE type = 'turn'"""
    ).fetchall()
    out = []
    for provider, model, usage, block, context, user_chars, assistant_chars, when in rows:
        turn = {
            "provider": provider, "model": model, "ts": when or "2026-06-01T00:00:00Z", "user_chars": user_chars, "assistant_chars": assistant_chars,
            **{name: json.loads(text) if text else None for name, text in (("usage", usage), ("provider_usage", block), ("price_context", context))},
        }
        if turn["usage"] is None:
            del turn["usage"]
        key = (provider, model, usage, block, context, user_chars, assistant_chars, when)
        out.append(key + tuple(priced(turn)))
    import pyarrow as pa

    names = ["provider", "model", "usage", "provider_usage", "price_context", "user_chars", "assistant_chars", "at"]
    names += ["cost", "unpriced", "missing", "estimated", "input", "output", "cache_read", "cache_write", "reasoning", "savings", "premium"]
    whole = {"cost", "input", "output", "cache_read", "cache_write", "reasoning", "savings", "premium", "user_chars", "assistant_chars"}
    kinds = {"missing": pa.bool_(), "estimated": pa.bool_(), **dict.fromkeys(whole, pa.int64())}
    columns = list(zip(*out, strict=True))
    table = pa.table({name: pa.array(column, type=kinds.get(name, pa.string())) for name, column in zip(names, columns, strict=True)})
    db.register("arrow_prices", table)
    db.execute("CREATE OR REPLACE TABLE prices AS SELECT * FROM arrow_prices")


def load(db, files, erased):
    """Fills the database: `raw` as sent, `ev` as counted, `turn`, `session` and one view a kind."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    parts = [
        f"SELECT *, {n} AS file, row_number() OVER () AS line FROM read_json('{path}', format='newline_delimited', columns={{{columns}}})"
        for n, path in enumerate(files)
    ]
    db.execute(f"CREATE OR REPLACE TABLE sent AS {' UNION ALL '.join(parts)}")
    db.execute(
        """CREATE OR REPLACE TABLE raw AS SELECT *, epoch_ms(ts::TIMESTAMPTZ) AS ms FROM sent
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY file, line) = 1"""
    )
    db.execute("CREATE OR REPLACE TABLE absent(id VARCHAR)")
    gone = absent_events(db)
    if gone:
        db.executemany("INSERT INTO absent VALUES (?)", gone)
    db.execute("CREATE OR REPLACE TABLE erased(user_id VARCHAR)")
    if erased:
        db.executemany("INSERT INTO erased VALUES (?)", [(who,) for who in erased])
    of = lambda table: "CASE type " + " ".join(f"WHEN '{kind}' THEN '{what}'" for kind, what in table.items()) + f" ELSE '{DROPPED}' END"  # noqa: E731
    # Someone erased whose events had already been kept without them can't be found in these.
    db.execute(
        f"""CREATE OR REPLACE TABLE fate AS SELECT id,
        CASE WHEN id IN (SELECT id FROM absent) AND ({of(ABSENT)}) <> 'kept' THEN {of(ABSENT)}
        WHEN user_id IN (SELECT user_id FROM erased) THEN {of(ERASED)} ELSE 'kept' END AS fate FROM raw"""
    )
    person = ["user_id", "conversation_id", "session_id", "country", "plan", "guest", "utc_offset_minutes", "turn_index", "message"]
    strip = ", ".join(f"CASE WHEN fate = 'kept' THEN {name} END AS {name}" for name in person)
    db.execute(f"CREATE OR REPLACE TABLE ev AS SELECT raw.* REPLACE ({strip}) FROM raw JOIN fate USING (id) WHERE fate <> 'dropped'")
    db.create_function("changes", lambda provider, model: changes(provider, model), ["VARCHAR", "VARCHAR"], "BOOLEAN")
    price_all(db)
    db.execute(
        """CREATE OR REPLACE TABLE turn AS SELECT ev.id, ev.ms, user_id AS u, conversation_id AS conv, session_id AS sess, country, utc_offset_minutes AS off, plan, guest,
        ev.provider, ev.model, feature, coalesce(status, 'ok') AS status, error_code, latency_ms, ttft_ms, turn_index, coalesce(partial, false) AS partial,
        p.cost, p.unpriced, p.missing, p.estimated, p.input, p.output, p.cache_read, p.cache_write, p.reasoning, p.savings, p.premium,
        CASE WHEN sess IS NOT NULL THEN 's|' || coalesce(u, '') || '|' || sess WHEN conv IS NOT NULL THEN 'c|' || coalesce(u, '') || '|' || conv WHEN u IS NOT NULL THEN 'u|' || u END AS thread,
        coalesce('u|' || u, 's|' || sess, 'c|' || conv) AS who FROM ev JOIN prices p ON ev.provider = p.provider AND ev.model = p.model AND ev.usage::VARCHAR IS NOT DISTINCT FROM p.usage
        AND ev.provider_usage::VARCHAR IS NOT DISTINCT FROM p.provider_usage AND ev.price_context::VARCHAR IS NOT DISTINCT FROM p.price_context
        AND CASE WHEN ev.usage IS NULL AND ev.provider_usage IS NULL THEN ev.user_chars END IS NOT DISTINCT FROM p.user_chars
        AND CASE WHEN ev.usage IS NULL AND ev.provider_usage IS NULL THEN ev.assistant_chars END IS NOT DISTINCT FROM p.assistant_chars
        AND CASE WHEN ev.price_context IS NOT NULL OR changes(ev.provider, ev.model) THEN ev.ts ELSE '' END = p.at
        WHERE ev.type = 'turn'"""
    )
    (turns,), (joined,) = db.execute("SELECT count(*) FROM ev WHERE type = 'turn' UNION ALL SELECT count(*) FROM turn").fetchall()
    assert turns == joined, (turns, joined)
    # Less than half an hour of silence joins; a named session is one, however long the silence.
    db.execute(
        f"""CREATE OR REPLACE TABLE turn AS SELECT *, CASE WHEN thread IS NOT NULL THEN thread || '#' || sum(cut) OVER (PARTITION BY thread ORDER BY ms, id) END AS sid FROM (
        SELECT *, CASE WHEN sess IS NULL AND ms - lag(ms) OVER (PARTITION BY thread ORDER BY ms, id) >= {GAP_MS} THEN 1 ELSE 0 END AS cut FROM turn)"""
    )
    # Attributes of a session: those of its first turn, of several at that instant the last in order.
    db.execute(
        """CREATE OR REPLACE TABLE session AS SELECT sid, any_value(thread) AS thread, any_value(u) AS u, any_value(sess) IS NOT NULL AS named, min(ms) AS ms, max(ms) AS last_ms,
        any_value(who) AS who, count(*) AS turns, count(*) FILTER (status = 'ok') AS oks, coalesce(sum(cost), 0) AS cost, coalesce(sum(input), 0) + coalesce(sum(output), 0) AS tokens FROM turn WHERE sid IS NOT NULL GROUP BY sid"""
    )
    order = "country NULLS FIRST, off NULLS FIRST, plan NULLS FIRST, guest NULLS FIRST"
    db.execute(
        f"""CREATE OR REPLACE TABLE session AS SELECT s.*, f.country, f.off, f.plan, f.guest, l.model AS last_model, l.none_ok FROM session s
        JOIN (SELECT t.sid, last(t.country ORDER BY {order}) AS country, last(off ORDER BY {order}) AS off, last(plan ORDER BY {order}) AS plan, last(guest ORDER BY {order}) AS guest
          FROM turn t JOIN session s USING (sid) WHERE t.ms = s.ms GROUP BY t.sid) f USING (sid)
        JOIN (SELECT t.sid, arg_max(model, t.id) AS model, bool_and(status <> 'ok') AS none_ok FROM turn t JOIN session s USING (sid) WHERE t.ms = s.last_ms GROUP BY t.sid) l USING (sid)"""
    )
    # Whose session an observation is of: its thread's latest that began by then and was not over.
    db.execute(
        f"""CREATE OR REPLACE TABLE obs AS SELECT o.*, CASE WHEN o.sess IS NOT NULL OR o.ms - last_ms < {GAP_MS} THEN s.sid END AS sid, s.last_model FROM (
        SELECT id, ms, user_id AS u, session_id AS sess, emotion, intensity, confidence, model_version, turn_index, intent, coalesce(json_array_length(frustration), 0) > 0 AS flagged,
        frustration, wish, CASE WHEN session_id IS NOT NULL THEN 's|' || coalesce(user_id, '') || '|' || session_id WHEN conversation_id IS NOT NULL THEN 'c|' || coalesce(user_id, '') || '|' || conversation_id
        WHEN user_id IS NOT NULL THEN 'u|' || user_id END AS thread FROM ev WHERE type = 'observation') o
        ASOF LEFT JOIN session s ON o.thread = s.thread AND o.ms >= s.ms"""
    )
    for kind in "feedback journey platform error service_cost crisis incident notice moment vital".split():
        db.execute(f"CREATE OR REPLACE TABLE {kind}_ev AS SELECT * FROM ev WHERE type = '{kind}'")
    return db.execute("SELECT type, count(*) FROM ev GROUP BY 1 ORDER BY 2 DESC").fetchall()
