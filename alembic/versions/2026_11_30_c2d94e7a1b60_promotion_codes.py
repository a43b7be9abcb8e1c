"""promotion codes

Which coupons subscriptions were given, and by which codes. Of earlier ones the coupons are known; the next state
that Stripe sends of a subscription fills in its code. `report_promotion_uses` shows them in SQL (docs/sql.md).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c2d94e7a1b60"
down_revision: str | None = "d7c25b8e01f4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_EARLIER = """
WITH held AS (
  SELECT subscription_id, at, COALESCE(to_plan, from_plan) AS plan, currency, discounts FROM movements
  UNION ALL
  SELECT id, started_at, plan, currency, discounts FROM subscriptions WHERE outside = ''
), given AS (
  SELECT {id} AS discount_id, held.subscription_id, held.at, {coupon} AS coupon, held.plan, held.currency,
    ROW_NUMBER() OVER (PARTITION BY {id} ORDER BY held.at, held.subscription_id) AS place
  FROM held, {each}
)
INSERT INTO promotion_uses (discount_id, subscription_id, at, coupon, plan, currency)
SELECT discount_id, subscription_id, at, coupon, plan, currency FROM given
WHERE place = 1 AND coupon NOT LIKE 'pw!_intro%' ESCAPE '!'
"""
_NAMES = ("id", "coupon")
_MEMBERS = {
    "postgresql": {
        "each": "jsonb_array_elements(held.discounts) AS each(value)",
        **{name: f"each.value ->> '{name}'" for name in _NAMES},
    },
    "sqlite": {
        "each": "json_each(held.discounts) AS each",
        **{name: f"json_extract(each.value, '$.{name}')" for name in _NAMES},
    },
}
_USES = """
SELECT discount_id, subscription_id, at, COALESCE(code, coupon || ' (no code)') AS code, coupon, plan, currency,
  CASE WHEN EXISTS (
    SELECT 1 FROM movements
    WHERE movements.subscription_id = promotion_uses.subscription_id AND movements.kind = 'new'
      AND movements.at >= promotion_uses.at
  ) THEN 1 ELSE 0 END AS is_new,
  CASE WHEN EXISTS (
    SELECT 1 FROM subscriptions WHERE subscriptions.id = promotion_uses.subscription_id
      AND subscriptions.status IN ('active', 'past_due', 'paused', 'trialing', 'unpaid')
  ) THEN 1 ELSE 0 END AS is_live,
  (SELECT COALESCE(SUM(amount_paid), 0) FROM invoices
    WHERE invoices.subscription_id = promotion_uses.subscription_id AND invoices.status = 'paid'
      AND invoices.currency = promotion_uses.currency AND invoices.created_at >= promotion_uses.at) AS paid
FROM promotion_uses
"""


def upgrade() -> None:
    op.create_table(
        "promotion_uses",
        sa.Column("discount_id", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("coupon", sa.String(), nullable=False),
        sa.Column("promotion_code", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("discount_id", name=op.f("pk_promotion_uses")),
    )
    for name in ("subscription_id", "at"):
        op.create_index(op.f(f"ix_promotion_uses_{name}"), "promotion_uses", [name])
    op.execute(sa.text(_EARLIER.format(**_MEMBERS[op.get_bind().dialect.name]).replace(":", r"\:")))
    op.execute(f"CREATE VIEW report_promotion_uses AS {_USES}")


def downgrade() -> None:
    op.execute("DROP VIEW report_promotion_uses")
    op.drop_table("promotion_uses")
