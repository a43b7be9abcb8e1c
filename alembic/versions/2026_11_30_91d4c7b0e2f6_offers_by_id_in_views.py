"""offers by id in views

Two offers may have one name: the views say the id, too, and a view of offers has what tells them apart.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Mapping, Sequence

from alembic import op

revision: str = "91d4c7b0e2f6"
down_revision: str | None = "7c3e91d0a5f8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM {0})",
    "sqlite": "ROUND((julianday({0}) - 2440587.5) * 86400, 3)",
}
_WHOSE = r"""COALESCE('reader\:' || (
    SELECT MIN(reader_id) FROM reader_devices
    WHERE device_id = SUBSTR(rows.holder, 8) AND rows.holder LIKE 'device\:%'
  ), rows.holder)"""
_UNKNOWN = "'direct or unknown'"
_OFFER = "COALESCE(offers.name, 'unknown') AS offer, COALESCE(offers.plan, 'unknown') AS plan"
_OFFERS = """
SELECT id AS offer_id, name, kind, plan, amount, currency, "interval" AS interval_charged, interval_count,
  trial_days, created_at, archived_at AS ended_at
FROM offers
"""


def _paid_with(table: str) -> str:
    return ", ".join(
        f"COALESCE(NULLIF({table}.{name}, ''), 'unknown') AS {name}"
        for name in ("method", "country")
    )


def _about_charge(table: str, key: str, counts: str, more: str) -> str:
    return f"""
SELECT one.id AS {key}, one.created_at, one.status, CASE WHEN {counts} THEN 1 ELSE 0 END AS counts,
  charges.sold, {_OFFER}, {_paid_with("charges")}, charges.currency, one.amount, one.reason, one.charge_id{more}
FROM {table} AS one JOIN charges ON charges.id = one.charge_id
  LEFT JOIN offers ON offers.id = charges.offer_id
"""


def _views(*, with_ids: bool) -> Mapping[str, str]:
    more = ", COALESCE(offers.id, 'unknown') AS offer_id" if with_ids else ""
    return {
        "report_balance": f"""
SELECT one.id AS entry_id, one.created_at, one.category, one.sold, {_OFFER}, {_paid_with("one")},
  one.currency, one.amount, one.fee, one.fee_tax, one.net, one.charge_id, one.payout_id, one.available_at,
  offers.kind AS offer_kind{more}
FROM balance_entries AS one LEFT JOIN offers ON offers.id = one.offer_id
""",
        "report_charges": f"""
SELECT one.id AS charge_id, one.created_at, one.status, one.sold, {_OFFER}, {_paid_with("one")},
  one.currency, one.amount, one.attempt, one.failure, one.invoice_id, one.subscription_id{more}
FROM charges AS one LEFT JOIN offers ON offers.id = one.offer_id
""",
        "report_invoices": f"""
WITH paid_with AS (
  SELECT invoice_id, MAX(method) AS method, MAX(country) AS country FROM charges
  WHERE status = 'succeeded' GROUP BY invoice_id
)
SELECT one.id AS invoice_id, one.created_at, one.paid_at, one.status, one.billing_reason,
  CASE WHEN one.offer_id IS NULL THEN 0 ELSE 1 END AS is_ours, {_OFFER}, {_paid_with("paid_with")},
  one.currency, one.subtotal, one.discount, one.tax, one.total, one.amount_due, one.amount_paid,
  one.amount_remaining, one.subscription_id{more}
FROM invoices AS one LEFT JOIN offers ON offers.id = one.offer_id
  LEFT JOIN paid_with ON paid_with.invoice_id = one.id
""",
        "report_refunds": _about_charge(
            "refunds", "refund_id", "one.status NOT IN ('failed', 'canceled')", more
        ),
        "report_disputes": _about_charge(
            "disputes", "dispute_id", "one.status NOT LIKE 'warning%'", more
        ),
        "report_checkouts": _checkouts(", rows.offer_id" if with_ids else ""),
    }


def _checkouts(more: str) -> str:
    seconds = _SECONDS[op.get_bind().dialect.name].format("rows.created_at")
    return rf"""
WITH rows AS (
  SELECT id, reader_id, device_id, offer_id, article_id, wall_article_id AS noted, status,
    stripe_subscription_id, created_at, completed_at,
    COALESCE('reader\:' || reader_id, 'device\:' || device_id) AS holder
  FROM checkouts
)
SELECT rows.id AS checkout_id, rows.holder, {_WHOSE} AS whose,
  COALESCE(rows.reader_id, rows.device_id, rows.id) AS buyer, rows.created_at,
  {seconds} AS created_seconds, rows.completed_at, rows.status,
  offers.name AS offer, offers.kind AS offer_kind, offers.plan,
  rows.stripe_subscription_id AS subscription_id,
  COALESCE(rows.article_id, (
    SELECT entry.article_id FROM access_ledger AS entry
    WHERE entry.wall IS NOT NULL AND entry.at <= rows.created_at AND (
      entry.reader_id = rows.reader_id
      OR (entry.device_id = rows.device_id AND entry.reader_id IS NULL)
    ) ORDER BY entry.at DESC, entry.id DESC LIMIT 1
  ), rows.noted) AS wall_article_id,
  COALESCE(touched.first_source, touched.first_referrer_host, {_UNKNOWN}) AS source,
  COALESCE(touched.last_source, touched.last_referrer_host, {_UNKNOWN}) AS last_source,
  COALESCE(touched.first_campaign, 'no campaign') AS campaign,
  CASE WHEN EXISTS (
    SELECT 1 FROM subscriptions WHERE subscriptions.id = rows.stripe_subscription_id
      AND subscriptions.access_stop IN ('duplicate', 'trial_used')
  ) THEN 1 ELSE 0 END AS is_given_back{more}
FROM rows JOIN offers ON offers.id = rows.offer_id
  LEFT JOIN checkout_touches AS touched ON touched.checkout_id = rows.id
"""


def upgrade() -> None:
    # PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep.
    is_replaced = op.get_bind().dialect.name == "postgresql"
    for name, query in _views(with_ids=True).items():
        if not is_replaced:
            op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE {'OR REPLACE ' if is_replaced else ''}VIEW {name} AS {query}")
    op.execute(f"CREATE VIEW report_offers AS {_OFFERS}")


def downgrade() -> None:
    op.execute("DROP VIEW report_offers")
    # A column can't be taken from a view: it is made anew, and rights to it are granted again.
    for name, query in _views(with_ids=False).items():
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
