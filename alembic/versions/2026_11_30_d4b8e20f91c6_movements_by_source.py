"""movements by source

What movements add by day and by what led to the purchase; the running service adds it up. Movements keep it when an
erasure deletes it with the checkout.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "d4b8e20f91c6"
down_revision: str | None = "c71e5a08d3f4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LED = ("source", "last_source", "campaign")
_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "source_money_days": (
        ("day", "kind", "plan", "interval", "every", "currency", *_LED), ("recurring", "net"),
    ),
    "source_edge_days": (
        ("grain", "day", "plan", "interval", "currency", *_LED, "way", "cause", "tenure"), ("readers",),
    ),
    "source_cohort_months": (
        ("cohort", "month", "plan", "interval", "currency", *_LED), ("change",),
    ),
}  # fmt: skip
_TYPES = {
    "day": sa.Date, "cohort": sa.Date, "month": sa.Date, "every": sa.Integer, "readers": sa.Integer,
    "change": sa.Integer, "recurring": sa.BigInteger, "net": sa.BigInteger,
}  # fmt: skip
_OF_MOVEMENTS = ("sourced_as", "led_source", "led_last_source", "led_campaign")


def upgrade() -> None:
    for table, (keys, sums) in _TABLES.items():
        op.create_table(
            table,
            *(
                sa.Column(name, _TYPES.get(name, sa.String)(), nullable=False)
                for name in (*keys, *sums)
            ),
            sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{table}")),
        )
    for name in _OF_MOVEMENTS:
        op.add_column("movements", sa.Column(name, sa.String(), nullable=True))
    op.add_column(
        "movements",
        sa.Column("source_due", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    for name in ("source_due", *_OF_MOVEMENTS):
        op.drop_column("movements", name)
    for table in _TABLES:
        op.drop_table(table)
