"""purchases given back

What was bought twice, or as a second trial, and is given back by the service is no sale: a view says which.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

from alembic import op

revision: str = "4e19b6d2a075"
down_revision: str | None = "a6d2f0b84e17"
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
_GIVEN_BACK = """,
  CASE WHEN EXISTS (
    SELECT 1 FROM subscriptions WHERE subscriptions.id = rows.stripe_subscription_id
      AND subscriptions.access_stop IN ('duplicate', 'trial_used')
  ) THEN 1 ELSE 0 END AS is_given_back"""


def _checkouts(more: str) -> str:
    seconds = _SECONDS[op.get_bind().dialect.name].format("rows.created_at")
    return rf"""
WITH rows AS (
  SELECT id, reader_id, device_id, offer_id, article_id, status, stripe_subscription_id, created_at,
    completed_at, COALESCE('reader\:' || reader_id, 'device\:' || device_id) AS holder
  FROM checkouts
)
SELECT rows.id AS checkout_id, rows.holder, {_WHOSE} AS whose,
  COALESCE(rows.reader_id, rows.device_id, rows.id) AS buyer, rows.created_at,
  {seconds} AS created_seconds, rows.completed_at, rows.status, offers.name AS offer,
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
  COALESCE(touched.first_campaign, 'no campaign') AS campaign{more}
FROM rows JOIN offers ON offers.id = rows.offer_id
  LEFT JOIN checkout_touches AS touched ON touched.checkout_id = rows.id
"""


def upgrade() -> None:
    # PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW report_checkouts AS {_checkouts(_GIVEN_BACK)}")
    else:
        op.execute("DROP VIEW report_checkouts")
        op.execute(f"CREATE VIEW report_checkouts AS {_checkouts(_GIVEN_BACK)}")


def downgrade() -> None:
    # A column can't be taken from a view: it is made anew, and rights to it are granted again.
    op.execute("DROP VIEW report_checkouts")
    op.execute(f"CREATE VIEW report_checkouts AS {_checkouts('')}")
