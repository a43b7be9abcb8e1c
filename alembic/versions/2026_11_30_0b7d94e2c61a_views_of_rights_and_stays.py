"""views of rights and of stays by currency

Paid usage rights of each day, and readers' times as subscribers by currency, as views (docs/sql.md).
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

from alembic import op

revision: str = "0b7d94e2c61a"
down_revision: str | None = "f8a31c6d05e2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _flag(kind: str) -> str:
    return f"MAX(CASE WHEN kind = '{kind}' THEN 1 ELSE 0 END)"


_STAYS = f"""
WITH changes AS (
  SELECT customer, currency, at, SUM(sign) AS change,
    CASE WHEN {_flag("churn_involuntary")} = 1 THEN 'involuntary'
      WHEN {_flag("churn_voluntary")} = 1 THEN 'voluntary'
      WHEN {_flag("pause")} = 1 THEN 'paused' ELSE 'changed_out' END AS left_by,
    CASE WHEN {_flag("new")} = 1 THEN 'new'
      WHEN {_flag("reactivation")} = 1 THEN 'reactivated'
      WHEN {_flag("resume")} = 1 THEN 'resumed' ELSE 'changed_in' END AS joined_by
  FROM report_movements GROUP BY customer, currency, at
), counted AS (
  SELECT changes.*, SUM(change) OVER (PARTITION BY customer, currency ORDER BY at) AS after FROM changes
), edges AS (
  SELECT customer, currency, at, left_by, joined_by, after FROM counted
  WHERE (after = 0 AND change <> 0) OR (after <> 0 AND after = change)
), stays AS (
  SELECT customer, currency, at AS since, joined_by, after,
    LEAD(at) OVER one AS until, LEAD(left_by) OVER one AS left_by
  FROM edges WINDOW one AS (PARTITION BY customer, currency ORDER BY at)
)
SELECT customer, currency, since, joined_by, until, left_by FROM stays WHERE after <> 0
"""
"""As `report_stays`, which tells no currencies apart."""

_DATES = {
    "postgresql": {
        "first": "CAST(DATE_TRUNC('year', MIN(day)) - INTERVAL '1 year' AS DATE)",
        "next": "day + 1",
        "last": "GREATEST(CURRENT_DATE - 1, (SELECT MAX(day) FROM right_days), (SELECT MAX(day) FROM rolled_days))",
    },
    "sqlite": {
        "first": "DATE(MIN(day), 'start of year', '-1 year')",
        "next": "DATE(day, '+1 day')",
        "last": "MAX(DATE('now', '-1 day'), (SELECT MAX(day) FROM right_days),"
        " COALESCE((SELECT MAX(day) FROM rolled_days), ''))",
    },
}
_RIGHTS = """
WITH RECURSIVE calendar(day) AS (
  SELECT {first} FROM right_days
  UNION ALL SELECT {next} FROM calendar WHERE day < {last}
), kinds AS (SELECT DISTINCT plan, currency, price FROM right_days)
SELECT calendar.day, kinds.plan, kinds.currency, kinds.price,
  SUM(COALESCE(right_days.change, 0)) OVER (
    PARTITION BY kinds.plan, kinds.currency, kinds.price ORDER BY calendar.day
  ) AS rights
FROM calendar CROSS JOIN kinds
LEFT JOIN right_days ON right_days.day = calendar.day AND right_days.plan = kinds.plan
  AND right_days.currency = kinds.currency AND right_days.price = kinds.price
"""


def upgrade() -> None:
    op.execute(f"CREATE VIEW report_currency_stays AS {_STAYS}")
    rights = _RIGHTS.format(**_DATES[op.get_bind().dialect.name])
    op.execute(f"CREATE VIEW report_usage_rights AS {rights}")


def downgrade() -> None:
    op.execute("DROP VIEW report_usage_rights")
    op.execute("DROP VIEW report_currency_stays")
