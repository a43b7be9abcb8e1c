"""search without accents

Search compares words without their accents from here on, so what it looks through loses them too.
"""

import re
import unicodedata
from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c81e6f20d94b"
down_revision: str | None = "5d0c9e41b7a2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BATCH = 200
_ARTICLES = sa.table("articles", sa.column("id"), sa.column("search_text"))
# As service/content/folding.py had it on this day.
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th",
     "’": "'", "‘": "'", "ʼ": "'"}
)  # fmt: skip


def upgrade() -> None:
    connection, last = op.get_bind(), ""
    wanted = sa.select(_ARTICLES).order_by(_ARTICLES.c.id).limit(_BATCH)
    while rows := connection.execute(wanted.where(_ARTICLES.c.id > last)).all():
        for id_, text in rows:
            if (found := _folded(text)) != text:
                change = sa.update(_ARTICLES).where(_ARTICLES.c.id == id_)
                connection.execute(change.values(search_text=found))
        last = rows[-1].id


def downgrade() -> None:
    """The accents are gone; the release before finds words without them."""


def _folded(text: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare.casefold().translate(_LETTERS))
