"""A window of civil days: the tables that the panels' checks ask."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER_MS = 900_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000


def ms_of(when):
    """UTC milliseconds."""
    return round(when.timestamp() * 1000)


class Window:
    """`[from_ms, to_ms)`, its days in `zone`, and what was asked when."""

    def __init__(self, db, zone, first, last, now_ms):
        self.db, self.zone, self.now_ms = db, zone, now_ms
        self.tz = ZoneInfo(zone)
        if "T" in first:
            # Instants are moved outwards to a quarter of an hour.
            self.from_ms = ms_of(datetime.fromisoformat(first)) // QUARTER_MS * QUARTER_MS
            self.to_ms = -(-ms_of(datetime.fromisoformat(last)) // QUARTER_MS) * QUARTER_MS
        else:
            self.from_ms, self.to_ms = self.start_of(date.fromisoformat(first)), self.start_of(date.fromisoformat(last) + timedelta(days=1))
        first_day, last_day = self.day_of(self.from_ms), self.day_of(self.to_ms - 1)
        self.days = [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]
        self.today = self.day_of(now_ms)
        #: The window's last day that has begun.
        self.last = min(last_day, self.today)
        self.tables()

    def start_of(self, day):
        """First instant of a civil day, ms. A day whose midnight is skipped begins where the clock goes on."""
        local = datetime(day.year, day.month, day.day, tzinfo=self.tz)
        return ms_of(local.astimezone(UTC))

    def day_of(self, ms):
        """Civil day of an instant."""
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(self.tz).date()

    def rows(self, sql):
        """Rows of a query; `:from`, `:to` and `:local(x)` (wall clock of x ms) are filled in."""
        return self.db.execute(self.fill(sql)).fetchall()

    def one(self, sql):
        """The only number of a query."""
        return self.rows(sql)[0][0]

    def fill(self, sql):
        import re

        sql = re.sub(r":local\(([\w.]+)\)", rf"timezone('{self.zone}', make_timestamptz((\1) * 1000))", sql)
        return sql.replace(":from", str(self.from_ms)).replace(":to", str(self.to_ms)).replace(":now", str(self.now_ms))

    def table(self, name, sql):
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.fill(sql)}")

    def tables(self):
        """t: turns of the window. s: sessions that began in it. pday: days on which people were active, all that is known."""
        self.table("t", "SELECT *, :local(ms)::DATE AS day FROM turn WHERE ms >= :from AND ms < :to")
        self.table("s", "SELECT *, :local(ms)::DATE AS day, hour(:local(ms)) AS hour, isodow(:local(ms)) AS dow FROM session WHERE ms >= :from AND ms < :to")
        self.table("pday", "SELECT u, :local(ms)::DATE AS day, count(*) AS turns FROM turn WHERE u IS NOT NULL GROUP BY ALL")
        self.table("seen", "SELECT u, min(day) AS first FROM pday GROUP BY u")
        self.table("money", "SELECT ms, 'model' AS service, provider, user_id_of AS u, cost FROM (SELECT ms, provider, u AS user_id_of, cost FROM turn WHERE cost IS NOT NULL) UNION ALL SELECT ms, service, provider, user_id, nano_usd FROM service_cost_ev")
        order = "country NULLS FIRST, off NULLS FIRST, plan NULLS FIRST, guest NULLS FIRST"
        # A person's attributes: those of their latest quarter of an hour with a turn in the window, the last in order.
        self.table(
            "p",
            f"""SELECT u, sum(n) AS turns, sum(messages) AS messages, last(country ORDER BY q, {order}) AS country, last(off ORDER BY q, {order}) AS off, last(plan ORDER BY q, {order}) AS plan,
            last(guest ORDER BY q, {order}) AS guest, sum(cost) AS turn_cost, sum(priced) AS priced
            FROM (SELECT u, ms // {QUARTER_MS} AS q, country, off, plan, guest, count(*) AS n, count(*) + count(*) FILTER (status = 'ok') AS messages, coalesce(sum(cost), 0)::BIGINT AS cost, count(cost) AS priced
            FROM t WHERE u IS NOT NULL GROUP BY ALL) GROUP BY u""",
        )
        self.table(
            "person",
            """SELECT p.*, coalesce(m.spend, 0)::BIGINT AS spend, coalesce(b.sessions, 0) AS sessions, seen.first FROM p JOIN seen USING (u)
            LEFT JOIN (SELECT u, sum(cost) AS spend FROM money WHERE ms >= :from AND ms < :to AND u IS NOT NULL GROUP BY u) m USING (u)
            LEFT JOIN (SELECT u, count(*) AS sessions FROM s WHERE u IS NOT NULL GROUP BY u) b USING (u)""",
        )

    def span(self, day, count=1):
        """[from, to) of `count` civil days ending with one, ms."""
        return self.start_of(day - timedelta(days=count - 1)), self.start_of(day + timedelta(days=1))


def half_even(total, count):
    """Mean, half to even."""
    whole, rest = divmod(total, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


def step_of(value):
    """The least of 1, 2, 5 × 10^k that is not below a value."""
    if value <= 0:
        return 0
    power = 10 ** int(math.floor(math.log10(value)))
    for candidate in (power // 10 * 5, power, 2 * power, 5 * power, 10 * power):
        if candidate >= value:
            return candidate
    return 10 * power
