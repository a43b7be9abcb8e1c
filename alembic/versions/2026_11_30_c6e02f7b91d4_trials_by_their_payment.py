"""trials by their payment

The first payment after a trial has an event of its own; until now it was told as a renewal.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "c6e02f7b91d4"
down_revision: str | None = "f14b7c920d6e"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TRIALS = """
WITH trials AS (
  SELECT one.*, CASE WHEN begun.at < one.trial_end THEN begun.at
    WHEN one.ended_at < one.trial_end THEN one.ended_at ELSE one.trial_end END AS over_at
  FROM (
    SELECT id, plan, "interval", currency, started_at, ended_at, trial_end, status FROM subscriptions
    WHERE trial_end > started_at
  ) AS one LEFT JOIN movements AS begun ON begun.subscription_id = one.id AND begun.number = 1
  WHERE begun.at IS NULL OR begun.at >= one.trial_end OR begun.cause = 'trial_ended'
)
SELECT id AS subscription_id, plan, "interval" AS interval_charged, currency, started_at, over_at AS ended_at,
  CASE WHEN EXISTS (
      SELECT 1 FROM domain_events WHERE domain_events.subject_id = trials.id AND domain_events.type IN ({paid})
    ) OR EXISTS (
      SELECT 1 FROM invoices WHERE invoices.subscription_id = trials.id
        AND invoices.created_at >= trials.over_at AND invoices.paid_at IS NOT NULL
        AND invoices.billing_reason <> 'subscription_create'
    ) THEN 'paid'
    WHEN status IN ('canceled', 'incomplete_expired') THEN 'lost' ELSE 'pending' END AS outcome
FROM trials
"""


def upgrade() -> None:
    _put(_TRIALS.format(paid="'subscription.trial_paid', 'subscription.renewed'"))


def downgrade() -> None:
    _put(_TRIALS.format(paid="'subscription.renewed'"))


def _put(query: str) -> None:
    """PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW report_trials AS {query}")
    else:
        op.execute("DROP VIEW report_trials")
        op.execute(f"CREATE VIEW report_trials AS {query}")
