"""sales of a source

Indexes by which lists and figures find the purchases that one source or campaign led to first.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "7f87c168767d"
down_revision: str | None = "c91f3a7e5d40"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FIRST = ["first_source", "first_referrer_host", "checkout_id"]
_CAMPAIGN = ["first_campaign", "checkout_id"]


def upgrade() -> None:
    build_index("ix_checkout_touches_first", "checkout_touches", _FIRST)
    build_index(
        "ix_checkout_touches_campaign", "checkout_touches", _CAMPAIGN,
        where="first_campaign IS NOT NULL",
    )  # fmt: skip


def downgrade() -> None:
    for name in ("campaign", "first"):
        drop_index(f"ix_checkout_touches_{name}", "checkout_touches")
