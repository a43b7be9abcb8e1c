"""gift subscriptions

Terms that are bought for somebody else. A new table that the release before doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b81d4f70c2a9"
down_revision: str | None = "b62f0e8d47a5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_TO_SEND = sa.text("sent_at IS NULL AND receiver_email IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "gift_subscriptions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("checkout_id", sa.String(), nullable=False),
        sa.Column("pass_id", sa.String(), nullable=True),
        sa.Column("receiver_email", sa.String(), nullable=True),
        sa.Column("send_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("paid_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("redeemed_at", _TIME, nullable=True),
        sa.Column("redeemed_by", sa.String(), nullable=True),
        sa.Column("starts_at", _TIME, nullable=True),
        sa.Column("ends_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["checkout_id"],
            ["checkouts.id"],
            name=op.f("fk_gift_subscriptions_checkout_id_checkouts"),
        ),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_gift_subscriptions_pass_id_passes")
        ),
        sa.ForeignKeyConstraint(
            ["redeemed_by"], ["readers.id"], name=op.f("fk_gift_subscriptions_redeemed_by_readers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_subscriptions")),
        sa.UniqueConstraint("checkout_id", name=op.f("uq_gift_subscriptions_checkout_id")),
        sa.UniqueConstraint("pass_id", name=op.f("uq_gift_subscriptions_pass_id")),
    )
    op.create_index("ix_gift_subscriptions_redeemed_by", "gift_subscriptions", ["redeemed_by"])
    op.create_index("ix_gift_subscriptions_ends_at", "gift_subscriptions", ["ends_at"])
    op.create_index("ix_gift_subscriptions_newest", "gift_subscriptions", ["created_at", "id"])
    op.create_index(
        "ix_gift_subscriptions_to_send", "gift_subscriptions", ["send_at"],
        postgresql_where=_TO_SEND, sqlite_where=_TO_SEND,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("gift_subscriptions")
