"""report views

What the figures are made from, as read-only views for a newsroom's own tools (docs/sql.md). A later
migration that changes a column under a view drops it first, and creates it again.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

from alembic import op

revision: str = "f1b7d09c4e83"
down_revision: str | None = "8f2a60d9c3e1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM {0})",
    "sqlite": "ROUND((julianday({0}) - 2440587.5) * 86400, 3)",
}
"""An instant as seconds since 1970: neither database's arithmetic of instants is the other's."""


def _a_month(amount: str, interval: str, count: str) -> str:
    """Minor units a month: year ÷ 12, week × 52/12, day × 365/12."""
    times = (
        f"CASE {interval} WHEN 'year' THEN 1 WHEN 'week' THEN 52 WHEN 'day' THEN 365 ELSE 12 END"
    )
    return f"{amount} * {times} / 12.0 / {count}"


def _side(sign: str, side: str) -> str:
    """What a movement takes away, or what it adds."""
    amounts = ", ".join(
        f"{sign}{side}_{name} AS {name}, "
        + _a_month(f"{sign}{side}_{name}", f"{side}_interval", f"{side}_interval_count")
        + f" AS {name}_a_month"
        for name in ("recurring", "net")
    )
    return (
        f"SELECT subscription_id, number, customer, at, kind, cause, currency, {sign}1 AS sign,"
        f" {side}_plan AS plan, {side}_interval AS interval_charged,"
        f" {side}_interval_count AS interval_count, {amounts}"
        f" FROM movements WHERE {side}_plan IS NOT NULL"
    )


def _flag(kind: str) -> str:
    return f"MAX(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END)"


_STAYS = f"""
WITH changes AS (
  SELECT customer, at, SUM(sign) AS change, MIN(CASE WHEN sign < 0 THEN cause END) AS cause,
    CASE WHEN {_flag("churn_involuntary")} = 1 THEN 'involuntary'
      WHEN {_flag("churn_voluntary")} = 1 THEN 'voluntary'
      WHEN {_flag("pause")} = 1 THEN 'paused' ELSE 'changed_out' END AS left_by,
    CASE WHEN {_flag("new")} = 1 THEN 'new'
      WHEN {_flag("reactivation")} = 1 THEN 'reactivated'
      WHEN {_flag("resume")} = 1 THEN 'resumed' ELSE 'changed_in' END AS joined_by
  FROM report_movements GROUP BY customer, at
), counted AS (
  SELECT changes.*, SUM(change) OVER (PARTITION BY customer ORDER BY at) AS after FROM changes
), edges AS (
  SELECT customer, at, cause, left_by, joined_by, after FROM counted
  WHERE (after = 0 AND change <> 0) OR (after <> 0 AND after = change)
), stays AS (
  SELECT customer, at AS since, joined_by, after,
    LEAD(at) OVER one AS until, LEAD(left_by) OVER one AS left_by, LEAD(cause) OVER one AS cause
  FROM edges WINDOW one AS (PARTITION BY customer ORDER BY at)
)
SELECT customer, since, joined_by, until, left_by, cause,
  SECONDS(until) - SECONDS(since) AS seconds FROM stays WHERE after <> 0
"""
_WHOSE = """COALESCE('reader:' || (
    SELECT MIN(reader_id) FROM reader_devices
    WHERE device_id = SUBSTR({0}, 8) AND {0} LIKE 'device:%'
  ), {0})"""
"""The reader that a device belongs to, else the holder itself."""
_UNKNOWN = "'direct or unknown'"
_SOURCES = f"""
  CASE WHEN own.holder IS NOT NULL THEN COALESCE(own.first_source, own.first_referrer_host, {_UNKNOWN})
    ELSE COALESCE(device.first_source, device.first_referrer_host, {_UNKNOWN}) END AS source,
  CASE WHEN own.holder IS NOT NULL THEN COALESCE(own.last_source, own.last_referrer_host, {_UNKNOWN})
    ELSE COALESCE(device.last_source, device.last_referrer_host, {_UNKNOWN}) END AS last_source,
  COALESCE(CASE WHEN own.holder IS NOT NULL THEN own.first_campaign ELSE device.first_campaign END,
    'no campaign') AS campaign"""
_TOUCHED = """
  LEFT JOIN touches AS own ON own.holder = rows.whose
  LEFT JOIN touches AS device ON device.holder = rows.holder"""
_UNROLLED = "NOT EXISTS (SELECT 1 FROM rolled_days WHERE rolled_days.day = access_ledger.day)"
_HOLDER_DAYS = f"""
WITH days AS (
  SELECT day, holder, reads, counted, subscribe_wall_at, register_wall_at FROM holder_days
  WHERE EXISTS (SELECT 1 FROM rolled_days WHERE rolled_days.day = holder_days.day)
  UNION ALL
  SELECT day, holder, SUM(CASE WHEN granted THEN 1 ELSE 0 END),
    SUM(CASE WHEN consumed THEN 1 ELSE 0 END),
    MIN(CASE WHEN wall = 'subscribe' THEN at END), MIN(CASE WHEN wall = 'register' THEN at END)
  FROM access_ledger WHERE {_UNROLLED} GROUP BY day, holder
), rows AS (SELECT days.*, {_WHOSE.format("days.holder")} AS whose FROM days)
SELECT rows.day, rows.holder, rows.whose, rows.reads, rows.counted, rows.subscribe_wall_at,
  SECONDS(rows.subscribe_wall_at) AS subscribe_wall_seconds, rows.register_wall_at,
  SECONDS(rows.register_wall_at) AS register_wall_seconds, {_SOURCES}
FROM rows {_TOUCHED}
"""
_READS = f"""
WITH days AS (
  SELECT day, article_id, reason, wall, rows, counted FROM ledger_days
  WHERE EXISTS (SELECT 1 FROM rolled_days WHERE rolled_days.day = ledger_days.day)
  UNION ALL
  SELECT day, article_id, reason, COALESCE(wall, ''), COUNT(*),
    SUM(CASE WHEN consumed THEN 1 ELSE 0 END)
  FROM access_ledger WHERE {_UNROLLED} GROUP BY day, article_id, reason, COALESCE(wall, '')
)
SELECT days.day, days.article_id, articles.slug, articles.title,
  COALESCE(articles.section, 'no section') AS section, days.reason, days.wall, days.rows, days.counted
FROM days LEFT JOIN articles ON articles.id = days.article_id
"""
_LEDGER = f"""
WITH rows AS (
  SELECT access_ledger.day, access_ledger.at, access_ledger.holder, access_ledger.article_id,
    CASE WHEN access_ledger.granted THEN 1 ELSE 0 END AS granted,
    CASE WHEN access_ledger.consumed THEN 1 ELSE 0 END AS consumed,
    access_ledger.reason, access_ledger.wall, access_ledger.prompt, access_ledger.window_start,
    {_WHOSE.format("access_ledger.holder")} AS whose
  FROM access_ledger
)
SELECT rows.day, rows.at, SECONDS(rows.at) AS seconds, rows.holder, rows.whose, rows.article_id,
  COALESCE(articles.section, 'no section') AS section, rows.granted, rows.consumed, rows.reason,
  rows.wall, rows.prompt, rows.window_start, {_SOURCES}
FROM rows LEFT JOIN articles ON articles.id = rows.article_id {_TOUCHED}
"""
_CHECKOUTS = f"""
WITH rows AS (
  SELECT checkouts.*, COALESCE('reader:' || checkouts.reader_id, 'device:' || checkouts.device_id)
    AS holder FROM checkouts
)
SELECT rows.id AS checkout_id, rows.holder, {_WHOSE.format("rows.holder")} AS whose,
  COALESCE(rows.reader_id, rows.device_id, rows.id) AS buyer, rows.created_at,
  SECONDS(rows.created_at) AS created_seconds, rows.completed_at, rows.status, offers.name AS offer,
  offers.kind AS offer_kind, offers.plan, rows.stripe_subscription_id AS subscription_id,
  COALESCE(rows.article_id, (
    SELECT entry.article_id FROM access_ledger AS entry
    WHERE entry.wall IS NOT NULL AND entry.at <= rows.created_at AND (
      entry.reader_id = rows.reader_id
      OR (entry.device_id = rows.device_id AND entry.reader_id IS NULL)
    ) ORDER BY entry.at DESC, entry.id DESC LIMIT 1
  )) AS wall_article_id,
  COALESCE(touched.first_source, touched.first_referrer_host, {_UNKNOWN}) AS source,
  COALESCE(touched.last_source, touched.last_referrer_host, {_UNKNOWN}) AS last_source,
  COALESCE(touched.first_campaign, 'no campaign') AS campaign
FROM rows JOIN offers ON offers.id = rows.offer_id
  LEFT JOIN checkout_touches AS touched ON touched.checkout_id = rows.id
"""
_FIRST_PAYMENTS = """
WITH payments AS (
  SELECT subscriptions.reader_id, movements.at FROM movements
    JOIN subscriptions ON subscriptions.id = movements.subscription_id
  WHERE movements.to_plan IS NOT NULL
  UNION ALL SELECT reader_id, paid_at FROM passes
)
SELECT 'reader:' || reader_id AS whose, MIN(at) AS at, SECONDS(MIN(at)) AS seconds
FROM payments GROUP BY reader_id
"""
_REGISTRATIONS = f"""
WITH rows AS (
  SELECT 'reader:' || id AS holder, 'reader:' || id AS whose, email_verified_at AS at FROM readers
  WHERE email_verified_at IS NOT NULL
)
SELECT rows.whose, rows.at, SECONDS(rows.at) AS seconds, {_SOURCES} FROM rows {_TOUCHED}
"""
_TRIALS = """
SELECT id AS subscription_id, plan, "interval" AS interval_charged, currency, started_at,
  CASE WHEN ended_at < trial_end THEN ended_at ELSE trial_end END AS ended_at,
  CASE WHEN status = 'active' OR EXISTS (
      SELECT 1 FROM domain_events
      WHERE domain_events.subject_id = subscriptions.id
        AND domain_events.type = 'subscription.renewed'
    ) THEN 'paid'
    WHEN status IN ('canceled', 'incomplete_expired') THEN 'lost' ELSE 'pending' END AS outcome
FROM subscriptions WHERE trial_end > started_at
"""
_SUBSCRIPTIONS = f"""
SELECT id AS subscription_id, 'reader:' || reader_id AS whose, plan, status, currency,
  "interval" AS interval_charged, interval_count, started_at, ended_at, cancel_at,
  CASE WHEN status IN ('active', 'past_due') AND recurring_amount > 0
    AND access_stop NOT IN ('duplicate', 'trial_used') THEN 1 ELSE 0 END AS is_paid,
  CASE WHEN pauses_collection THEN 1 ELSE 0 END AS is_paused,
  {_a_month("recurring_amount", '"interval"', "interval_count")} AS recurring_a_month,
  {_a_month("net_amount", '"interval"', "interval_count")} AS net_a_month
FROM subscriptions
"""
_EVENTS = """
SELECT id AS event_id, type, subject_id, occurred_at,
  CASE WHEN type = 'subscription.payment_failed' AND once LIKE '%:1' THEN 1 ELSE 0 END AS is_first_failure
FROM domain_events
"""
_PASSES = """
SELECT id AS pass_id, 'reader:' || reader_id AS whose, scope, amount, currency, paid_at, starts_at, ends_at
FROM passes
"""
_VIEWS = {
    "report_movements": f"{_side('-', 'from')} UNION ALL {_side('', 'to')}",
    "report_stays": _STAYS,
    "report_subscriptions": _SUBSCRIPTIONS,
    "report_trials": _TRIALS,
    "report_passes": _PASSES,
    "report_events": _EVENTS,
    "report_first_payments": _FIRST_PAYMENTS,
    "report_registrations": _REGISTRATIONS,
    "report_checkouts": _CHECKOUTS,
    "report_reads": _READS,
    "report_holder_days": _HOLDER_DAYS,
    "report_ledger": _LEDGER,
}


def upgrade() -> None:
    seconds = _SECONDS[op.get_bind().dialect.name]
    for name, query in _VIEWS.items():
        parts = query.split("SECONDS(")
        text = parts[0]
        for part in parts[1:]:
            argument, rest = _argument(part)
            text += seconds.format(argument) + rest
        op.execute(f"CREATE VIEW {name} AS {text}".replace(":", r"\:"))


def _argument(text: str) -> tuple[str, str]:
    """What is between a bracket that has been opened and its end, and the rest."""
    depth = 1
    for at, sign in enumerate(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            return text[:at], text[at + 1 :]
    raise ValueError(text)


def downgrade() -> None:
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW {name}")
