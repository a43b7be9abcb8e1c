"""walls noted at checkouts

Which wall a buyer met last is noted at the checkout, gifts are counted apart, and days know by which version
of the definitions they were counted: the running service counts the older ones anew.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "5e83c1a97f20"
down_revision: str | None = "c6e02f7b91d4"
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
_VERSIONS = ("counted_version", "sales_version")


def _put_checkouts(noted: str) -> None:
    """PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep."""
    dialect = op.get_bind().dialect.name
    query = rf"""
WITH rows AS (
  SELECT checkouts.id, reader_id, device_id, offer_id, article_id, {noted} AS noted, status,
    stripe_subscription_id, created_at, completed_at,
    COALESCE('reader\:' || reader_id, 'device\:' || device_id) AS holder
  FROM checkouts
)
SELECT rows.id AS checkout_id, rows.holder, {_WHOSE} AS whose,
  COALESCE(rows.reader_id, rows.device_id, rows.id) AS buyer, rows.created_at,
  {_SECONDS[dialect].format("rows.created_at")} AS created_seconds, rows.completed_at, rows.status,
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
  ) THEN 1 ELSE 0 END AS is_given_back
FROM rows JOIN offers ON offers.id = rows.offer_id
  LEFT JOIN checkout_touches AS touched ON touched.checkout_id = rows.id
"""
    if dialect == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW report_checkouts AS {query}")
    else:
        op.execute("DROP VIEW report_checkouts")
        op.execute(f"CREATE VIEW report_checkouts AS {query}")


def upgrade() -> None:
    op.add_column("checkouts", sa.Column("wall_article_id", sa.String(), nullable=True))
    for table, *columns in (("article_sale_days", "gifts"), ("rolled_days", *_VERSIONS)):
        for column in columns:
            op.add_column(
                table, sa.Column(column, sa.Integer(), nullable=False, server_default="0")
            )
    _put_checkouts("checkouts.wall_article_id")


def downgrade() -> None:
    _put_checkouts("CAST(NULL AS VARCHAR)")
    op.drop_column("checkouts", "wall_article_id")
    for column in _VERSIONS:
        op.drop_column("rolled_days", column)
    op.drop_column("article_sale_days", "gifts")
