"""sign-in asks

When browsers asked for sign-in mails, and the view of it. Where there are readers already, it is noted since
when: before this nobody kept it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from alembic import op

revision: str = "f8a31c6d05e2"
down_revision: str | None = "e60b7d3f9c18"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM {0})",
    "sqlite": "ROUND((julianday({0}) - 2440587.5) * 86400, 3)",
}
"""As in the views before."""
_VIEW = """
CREATE VIEW report_sign_in_asks AS
SELECT COALESCE('reader:' || (
    SELECT MIN(reader_id) FROM reader_devices
    WHERE device_id = SUBSTR(holder, 8) AND holder LIKE 'device:%'
  ), holder) AS whose, at, {seconds} AS seconds
FROM sign_in_asks
"""


def upgrade() -> None:
    bind = op.get_bind()
    op.create_table(
        "sign_in_asks",
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", "at"),
    )
    view = _VIEW.format(seconds=_SECONDS[bind.dialect.name].format("at"))
    op.execute(view.replace(":", r"\:"))
    has_readers = sa.text(
        "SELECT EXISTS (SELECT 1 FROM readers) OR EXISTS (SELECT 1 FROM access_ledger)"
        " OR EXISTS (SELECT 1 FROM rolled_days)"
    )
    if bind.scalar(has_readers):
        rollups = sa.table(
            "rollups", sa.column("name"), sa.column("zone"), sa.column("version"),
            sa.column("made_at", sa.DateTime(timezone=True)),
        )  # fmt: skip
        since = {"name": "sign-in asks", "zone": "", "version": 1, "made_at": datetime.now(UTC)}
        op.execute(rollups.insert().values(since))


def downgrade() -> None:
    op.execute("DROP VIEW report_sign_in_asks")
    op.drop_table("sign_in_asks")
    op.execute("DELETE FROM rollups WHERE name = 'sign-in asks'")
