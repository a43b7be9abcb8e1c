"""plain names

Sections and tags of articles that were stored with characters that nobody sees, or with spaces around them, lose them:
rules compare names without them, and so do new articles have them.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import Json

revision: str = "c91f3a7e5d40"
down_revision: str | None = "f6c2a817d4e3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ARTICLES = sa.table("articles", sa.column("id"), sa.column("section"), sa.column("tags", Json()))
_TERMS = sa.table("article_terms", *map(sa.column, ("kind", "term", "article_id")))
_STATE = sa.table("content_state", sa.column("version"))
# As service/texts.py had it on this day.
_SPACES = str.maketrans(dict.fromkeys("\u180e\u200b"))
_BREAK = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_UNSEEN = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
    "|[\0-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069"
    "\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def upgrade() -> None:
    connection = op.get_bind()
    sections = connection.scalars(sa.select(_ARTICLES.c.section).distinct()).all()
    odd = {each: _plain(each) or None for each in sections if each and _plain(each) != each}
    for old, new in odd.items():
        renamed = sa.update(_ARTICLES).where(_ARTICLES.c.section == old)
        connection.execute(renamed.values(section=new))
    mended = [_mend_tags(connection, each) for each in _with_odd_tags(connection)]
    if odd or mended:
        # Processes that serve drop their copies.
        connection.execute(sa.update(_STATE).values(version=_STATE.c.version + 1))


def downgrade() -> None:
    """The characters are gone; the release before compares names without them too."""


def _with_odd_tags(connection: sa.Connection) -> Iterator[str]:
    """Ids."""
    is_tag = _TERMS.c.kind == "tag"
    terms = connection.scalars(sa.select(_TERMS.c.term).where(is_tag).distinct()).all()
    seen: set[str] = set()
    for odd in (each for each in terms if _plain(each) != each):
        having = sa.select(_TERMS.c.article_id).where(is_tag, _TERMS.c.term == odd)
        seen |= set(connection.scalars(having))
    yield from sorted(seen)


def _mend_tags(connection: sa.Connection, article_id: str) -> None:
    is_it = _ARTICLES.c.id == article_id
    stored = connection.scalar(sa.select(_ARTICLES.c.tags).where(is_it)) or []
    tags = list(dict.fromkeys(filter(None, map(_plain, stored))))
    connection.execute(sa.update(_ARTICLES).where(is_it).values(tags=tags))
    theirs = (_TERMS.c.kind == "tag") & (_TERMS.c.article_id == article_id)
    connection.execute(sa.delete(_TERMS).where(theirs))
    terms = dict.fromkeys(unicodedata.normalize("NFC", tag).casefold() for tag in tags)
    for term in terms:
        row = {"kind": "tag", "term": term, "article_id": article_id}
        connection.execute(sa.insert(_TERMS).values(row))


def _plain(text: str) -> str:
    return _UNSEEN.sub(r"\1", _BREAK.sub(" ", text.translate(_SPACES))).strip()
