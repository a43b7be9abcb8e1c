"""gift links

Articles that subscribers give, and the devices that opened them. Two new tables that the release before
doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "6f20b8c4e1d7"
down_revision: str | None = "f7b3d92e0a16"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "gift_links",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("article_id", sa.String(), nullable=False),
        sa.Column("month", _TIME, nullable=False),
        sa.Column("most_readers", sa.Integer(), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_links")),
    )
    op.create_index("ix_gift_links_giver", "gift_links", ["reader_id", "created_at", "id"])
    op.create_index("ix_gift_links_newest", "gift_links", ["created_at", "id"])
    op.create_index("ix_gift_links_ends", "gift_links", ["ends_at"])
    op.create_index("ix_gift_links_ended", "gift_links", ["ended_at"])
    op.create_table(
        "gift_openings",
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["gift_links.id"], name=op.f("fk_gift_openings_link_id_gift_links"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("link_id", "device_id", name=op.f("pk_gift_openings")),
    )  # fmt: skip
    op.create_index("ix_gift_openings_device", "gift_openings", ["device_id"])


def downgrade() -> None:
    op.drop_table("gift_openings")
    op.drop_table("gift_links")
