"""trials that are paid

Stripe makes a subscription active an hour before it charges: what says that a trial was paid is an invoice or a
renewal. Free time that is given in the middle of a subscription is no trial.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "d27f60b9e41c"
down_revision: str | None = "b17e9c4402da"
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
      SELECT 1 FROM domain_events
      WHERE domain_events.subject_id = trials.id AND domain_events.type = 'subscription.renewed'
    ) OR EXISTS (
      SELECT 1 FROM invoices WHERE invoices.subscription_id = trials.id
        AND invoices.created_at >= trials.over_at AND invoices.paid_at IS NOT NULL
        AND invoices.billing_reason <> 'subscription_create'
    ) THEN 'paid'
    WHEN status IN ('canceled', 'incomplete_expired') THEN 'lost' ELSE 'pending' END AS outcome
FROM trials
"""
_FORMER = """
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


def upgrade() -> None:
    _put(_TRIALS)


def downgrade() -> None:
    _put(_FORMER)


def _put(query: str) -> None:
    """PostgreSQL's replacing keeps who may read the view; SQLite has none, nor anybody to keep."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW report_trials AS {query}")
    else:
        op.execute("DROP VIEW report_trials")
        op.execute(f"CREATE VIEW report_trials AS {query}")
