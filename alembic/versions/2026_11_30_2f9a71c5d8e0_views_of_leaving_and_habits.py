"""views of leaving and habits

Cohorts, active days and what readers answered on cancelling, as views (docs/sql.md).
"""

from collections.abc import Sequence

from alembic import op

revision: str = "2f9a71c5d8e0"
down_revision: str | None = "8b2d6f09e4a1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_VIEWS = {
    "report_cohorts": """
SELECT cohort, month, plan, "interval" AS interval_charged, currency, change FROM cohort_months
""",
    "report_active_days": """
SELECT day, readers, days, settled, asleep, at_risk FROM habit_days
""",
    "report_cancellations": """
SELECT id AS subscription_id, plan, "interval" AS interval_charged, currency, cancelled_at,
  CASE WHEN cancel_feedback = '' THEN 'none'
    WHEN cancel_feedback IN ('too_expensive', 'unused', 'missing_features', 'low_quality', 'switched_service',
      'too_complex', 'customer_service') THEN cancel_feedback
    ELSE 'other' END AS feedback, cancelled_after_days AS days
FROM subscriptions
WHERE cancelled_at IS NOT NULL AND cancel_reason IN ('', 'cancellation_requested')
  AND status NOT IN ('incomplete', 'incomplete_expired')
  AND (
    access_stop NOT IN ('duplicate', 'trial_used', 'refund', 'dispute_lost')
    OR (access_stop NOT IN ('duplicate', 'trial_used') AND cancelled_at < access_stopped_at)
  )
""",
}


def upgrade() -> None:
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW {name}")
