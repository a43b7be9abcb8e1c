"""views of money

Money as Stripe has it, as read-only views for a newsroom's own tools (docs/sql.md).
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

from alembic import op

revision: str = "0b5d7e91c3f8"
down_revision: str | None = "d50e9a13c7f8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OFFER = "COALESCE(offers.name, 'unknown') AS offer, COALESCE(offers.plan, 'unknown') AS plan"


def _paid_with(table: str) -> str:
    return ", ".join(
        f"COALESCE(NULLIF({table}.{name}, ''), 'unknown') AS {name}"
        for name in ("method", "country")
    )


_BALANCE = f"""
SELECT one.id AS entry_id, one.created_at, one.category, one.sold, {_OFFER}, {_paid_with("one")},
  one.currency, one.amount, one.fee, one.fee_tax, one.net, one.charge_id, one.payout_id, one.available_at
FROM balance_entries AS one LEFT JOIN offers ON offers.id = one.offer_id
"""
_CHARGES = f"""
SELECT one.id AS charge_id, one.created_at, one.status, one.sold, {_OFFER}, {_paid_with("one")},
  one.currency, one.amount, one.attempt, one.failure, one.invoice_id, one.subscription_id
FROM charges AS one LEFT JOIN offers ON offers.id = one.offer_id
"""
_INVOICES = f"""
WITH paid_with AS (
  SELECT invoice_id, MAX(method) AS method, MAX(country) AS country FROM charges
  WHERE status = 'succeeded' GROUP BY invoice_id
)
SELECT one.id AS invoice_id, one.created_at, one.paid_at, one.status, one.billing_reason,
  CASE WHEN one.offer_id IS NULL THEN 0 ELSE 1 END AS is_ours, {_OFFER}, {_paid_with("paid_with")},
  one.currency, one.subtotal, one.discount, one.tax, one.total, one.amount_due, one.amount_paid,
  one.amount_remaining, one.subscription_id
FROM invoices AS one LEFT JOIN offers ON offers.id = one.offer_id
  LEFT JOIN paid_with ON paid_with.invoice_id = one.id
"""


def _about_charge(table: str, key: str, counts: str) -> str:
    return f"""
SELECT one.id AS {key}, one.created_at, one.status, CASE WHEN {counts} THEN 1 ELSE 0 END AS counts,
  charges.sold, {_OFFER}, {_paid_with("charges")}, charges.currency, one.amount, one.reason, one.charge_id
FROM {table} AS one JOIN charges ON charges.id = one.charge_id
  LEFT JOIN offers ON offers.id = charges.offer_id
"""


_OPEN_PAYMENTS = """
WITH failed AS (
  SELECT invoice_id, created_at, FIRST_VALUE(failure) OVER (
    PARTITION BY invoice_id ORDER BY created_at DESC, id DESC) AS decline
  FROM charges WHERE status = 'failed' AND sold = 'subscription'
), failures AS (
  SELECT invoice_id, MIN(created_at) AS first_at, MAX(created_at) AS last_at, COUNT(*) AS tries,
    MIN(decline) AS decline FROM failed GROUP BY invoice_id
)
SELECT one.id AS invoice_id, one.subscription_id, failures.first_at AS begun_at,
  CASE WHEN one.status = 'paid' THEN one.paid_at END AS recovered_at,
  CASE WHEN one.status = 'void' THEN one.voided_at
    WHEN one.status = 'uncollectible' THEN one.uncollectible_at
    WHEN one.status = 'open' AND one.next_attempt_at IS NULL THEN failures.last_at END AS lost_at,
  failures.decline, failures.tries, one.currency, one.amount_due AS amount
FROM invoices AS one JOIN failures ON failures.invoice_id = one.id
WHERE one.billing_reason <> 'subscription_create'
"""
_PAYOUTS = """
SELECT id AS payout_id, created_at, arrives_at, status,
  CASE WHEN status IN ('failed', 'canceled') THEN 0 ELSE 1 END AS counts, currency, amount
FROM payouts
"""
_VIEWS = {
    "report_balance": _BALANCE,
    "report_invoices": _INVOICES,
    "report_charges": _CHARGES,
    "report_refunds": _about_charge(
        "refunds", "refund_id", "one.status NOT IN ('failed', 'canceled')"
    ),
    "report_disputes": _about_charge("disputes", "dispute_id", "one.status NOT LIKE 'warning%'"),
    "report_open_payments": _OPEN_PAYMENTS,
    "report_payouts": _PAYOUTS,
}


def upgrade() -> None:
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}".replace(":", r"\:"))


def downgrade() -> None:
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW {name}")
