"""money by day

Revenue, refunds and disputes added up by day, and what became of invoices after a failed charge, for reports.
The running service makes them from the rows; until then figures come from the rows themselves.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "94b0d7e2f6c1"
down_revision: str | None = "d27f60b9e41c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ABOUT = ("offer_id", "method", "country", "currency")
_AMOUNTS = ("charged", "refunded", "disputed", "fees", "fee_tax", "net", "tax")
_MOMENTS = ("begun_at", "recovered_at", "lost_at")


def upgrade() -> None:
    op.create_table(
        "booked_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_booked_days")),
    )
    op.create_table(
        "revenue_days",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("sold", *_ABOUT)),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _AMOUNTS),
        sa.PrimaryKeyConstraint("day", "sold", *_ABOUT, name=op.f("pk_revenue_days")),
    )
    op.create_table(
        "money_back_days",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("what", *_ABOUT)),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "what", *_ABOUT, name=op.f("pk_money_back_days")),
    )
    op.create_table(
        "dunning_episodes",
        sa.Column("invoice_id", sa.String(), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=name != "begun_at")
            for name in _MOMENTS
        ),
        sa.Column("decline", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_dunning_episodes")),
    )
    for name in _MOMENTS:
        op.create_index(op.f(f"ix_dunning_episodes_{name}"), "dunning_episodes", [name])


def downgrade() -> None:
    for table in ("dunning_episodes", "money_back_days", "revenue_days", "booked_days"):
        op.drop_table(table)
