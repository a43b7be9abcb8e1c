"""promotion codes of passes

A use may be of what is paid once, and keeps what became of it: the running service looks that up.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "9b7e42d0c8a5"
down_revision: str | None = "0b7d94e2c61a"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SHARED = "discount_id, subscription_id, at, COALESCE(code, coupon || ' (no code)') AS code, coupon, plan, currency"
_IS_NEW = """EXISTS (
    SELECT 1 FROM movements
    WHERE movements.subscription_id = promotion_uses.subscription_id AND movements.kind = 'new'
      AND movements.at >= promotion_uses.at
  )"""
_IS_LIVE = """EXISTS (
    SELECT 1 FROM subscriptions WHERE subscriptions.id = promotion_uses.subscription_id
      AND subscriptions.status IN ('active', 'past_due', 'paused', 'trialing', 'unpaid')
  )"""
_INVOICED = """(SELECT SUM(amount_paid) FROM invoices
    WHERE invoices.subscription_id = promotion_uses.subscription_id AND invoices.status = 'paid'
      AND invoices.currency = promotion_uses.currency AND invoices.created_at >= promotion_uses.at)"""
_USES = f"""
SELECT {_SHARED},
  CASE WHEN {_IS_NEW} THEN 1 ELSE 0 END AS is_new,
  CASE WHEN {_IS_LIVE} THEN 1 ELSE 0 END AS is_live,
  COALESCE({_INVOICED}, 0) AS paid
FROM promotion_uses
"""  # noqa: S608 nothing in it is from outside
_USES_WITH_PASSES = f"""
SELECT {_SHARED},
  CASE WHEN CASE WHEN promotion_uses.paid IS NULL THEN {_IS_NEW} ELSE is_new END THEN 1 ELSE 0 END AS is_new,
  CASE WHEN CASE WHEN promotion_uses.paid IS NULL THEN {_IS_LIVE} ELSE is_live END THEN 1 ELSE 0 END AS is_live,
  COALESCE(
    promotion_uses.paid, {_INVOICED}, (SELECT amount FROM passes WHERE passes.id = promotion_uses.pass_id), 0
  ) AS paid,
  pass_id, sold
FROM promotion_uses
"""  # noqa: S608 nothing in it is from outside
_KEPT = {
    "is_new": sa.Boolean(),
    "is_live": sa.Boolean(),
    "paid": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
}


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP VIEW report_promotion_uses")
    with op.batch_alter_table("promotion_uses") as table:
        table.alter_column("subscription_id", existing_type=sa.String(), nullable=True)
        table.add_column(sa.Column("pass_id", sa.String(), nullable=True))
        table.add_column(
            sa.Column("sold", sa.String(), server_default="subscription", nullable=False)
        )
        for name, type_ in _KEPT.items():
            table.add_column(sa.Column(name, type_, nullable=True))
    # PostgreSQL's replacing keeps who may read the view.
    replacing = "" if is_sqlite else "OR REPLACE "
    op.execute(sa.text(f"CREATE {replacing}VIEW report_promotion_uses AS {_USES_WITH_PASSES}"))


def downgrade() -> None:
    op.execute("DROP VIEW report_promotion_uses")
    op.execute("DELETE FROM promotion_uses WHERE subscription_id IS NULL")
    with op.batch_alter_table("promotion_uses") as table:
        table.alter_column("subscription_id", existing_type=sa.String(), nullable=False)
        for name in ("pass_id", "sold", *_KEPT):
            table.drop_column(name)
    op.execute(sa.text(f"CREATE VIEW report_promotion_uses AS {_USES}"))
