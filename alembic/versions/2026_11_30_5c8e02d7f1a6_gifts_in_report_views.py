"""gifts in report views

A gift for somebody else isn't its buyer's first payment, and its money can be told from that of passes.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

from alembic import op

revision: str = "5c8e02d7f1a6"
down_revision: str | None = "1a6f4c08d2b9"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM {0})",
    "sqlite": "ROUND((julianday({0}) - 2440587.5) * 86400, 3)",
}


def _balance(more: str) -> str:
    return f"""
SELECT one.id AS entry_id, one.created_at, one.category, one.sold,
  COALESCE(offers.name, 'unknown') AS offer, COALESCE(offers.plan, 'unknown') AS plan,
  COALESCE(NULLIF(one.method, ''), 'unknown') AS method,
  COALESCE(NULLIF(one.country, ''), 'unknown') AS country,
  one.currency, one.amount, one.fee, one.fee_tax, one.net, one.charge_id, one.payout_id, one.available_at{more}
FROM balance_entries AS one LEFT JOIN offers ON offers.id = one.offer_id
"""


def _first_payments(passes: str) -> str:
    seconds = _SECONDS[op.get_bind().dialect.name].format("MIN(at)")
    return f"""
WITH payments AS (
  SELECT subscriptions.reader_id, movements.at FROM movements
    JOIN subscriptions ON subscriptions.id = movements.subscription_id
  WHERE movements.to_plan IS NOT NULL
  UNION ALL SELECT passes.reader_id, passes.paid_at FROM passes{passes}
)
SELECT 'reader:' || reader_id AS whose, MIN(at) AS at, {seconds} AS seconds
FROM payments GROUP BY reader_id
"""


def upgrade() -> None:
    _put("report_balance", _balance(", offers.kind AS offer_kind"))
    no_gifts = " JOIN offers ON offers.id = passes.offer_id WHERE offers.kind <> 'gift'"
    _put("report_first_payments", _first_payments(no_gifts))


def _put(name: str, query: str) -> None:
    """PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
    else:
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    # A column can't be taken from a view: it is made anew, and rights to it are granted again.
    op.execute("DROP VIEW report_balance")
    op.execute(f"CREATE VIEW report_balance AS {_balance('')}")
    _put("report_first_payments", _first_payments(""))
