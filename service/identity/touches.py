"""Where readers come from: a holder's first touch, and the last one that names a source.

It is kept apart from the meter: who is blanked here reads on as before. Of an address only the host is
kept, of a query only `utm_source`, `utm_medium` and `utm_campaign`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Any
from unicodedata import category
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.bodies import Body
from service.db.bulk import insert_rows
from service.db.tables import Touches
from service.db.upsert import insert_for
from service.settings import Settings
from service.texts import plain_name

LONGEST_REFERRER = 4000
"""Characters that are looked at; only the host is kept."""
LONGEST_HOST = 253
LONGEST_VALUE = 100
_UNPRINTED = {"Cc", "Cs"}
"""Control characters and halves of surrogate pairs (Unicode's general categories)."""
_LEADING = frozenset({"http", "https", "android-app"})
"""Schemes of pages that lead here; Android's apps name themselves by theirs."""
_HOST = re.compile(r"[a-z0-9_.:-]+")
"""A name in ASCII or an IP address (RFC 3986, 3.2.2): the header is whatever somebody sends."""


def is_plain(text: str) -> bool:
    """Whether it may be kept as a value of a campaign."""
    return 0 < len(text) <= LONGEST_VALUE and not any(category(c) in _UNPRINTED for c in text)


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError("must not contain control characters")
    return text


CampaignValue = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_VALUE),
    AfterValidator(_plain),
    AfterValidator(plain_name),
]


class Campaign(Body):
    """The `utm_source`, `utm_medium` and `utm_campaign` of the page's address."""

    source: CampaignValue | None = None
    medium: CampaignValue | None = None
    campaign: CampaignValue | None = None


@dataclass(frozen=True)
class Touch:
    """What led a reader here. Everything may be None: typed, a bookmark, or not known."""

    referrer_host: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None

    @property
    def names_a_source(self) -> bool:
        return bool(self.referrer_host or self.source or self.medium or self.campaign)

    @property
    def parts(self) -> tuple[str | None, str | None, str | None, str | None]:
        """In the order of `PARTS`."""
        return self.referrer_host, self.source, self.medium, self.campaign


_DIRECT = Touch()


def touch_of(referrer: str | None, campaign: Campaign | None, settings: Settings) -> Touch:
    """The touch of a page that `referrer` led to, an address or None, with its campaign."""
    if campaign is None and not referrer:
        return _DIRECT
    named = campaign or Campaign()
    return Touch(
        _foreign_host(referrer, settings),
        named.source or None,
        named.medium or None,
        named.campaign or None,
    )


def _foreign_host(referrer: str | None, settings: Settings) -> str | None:
    """The foreign host the reader came from; the rest of the address isn't kept."""
    if not referrer:
        return None
    try:
        parts = urlsplit(referrer)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in _LEADING or not host or len(host) > LONGEST_HOST:
        return None
    if _HOST.fullmatch(host) is None:
        return None
    return None if f"{parts.scheme}://{parts.netloc}" in settings.origins else host


PARTS = ("referrer_host", "source", "medium", "campaign")


def touch_columns(touch: str) -> list[str]:
    """The columns of the `first` or the `last` touch."""
    return [f"{touch}_at", *(f"{touch}_{part}" for part in PARTS)]


TOUCH_COLUMNS = (*touch_columns("first"), *touch_columns("last"))
_FIRST_STAYS = "ON CONFLICT (holder) DO NOTHING"
_LAST_IS_REPLACED = (
    "ON CONFLICT (holder) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in touch_columns("last"))
    + " WHERE excluded.last_at >= touches.last_at"
)


def touch_values(touch: Touch, at: datetime) -> tuple[Any, ...]:
    """The values of the columns of one touch."""
    return at, *touch.parts


def record_touches(connection: Connection, touches: Iterable[tuple[str, Touch, datetime]]) -> None:
    """Note what led each holder (as in `meter_windows`) here, and when in business time.

    The first one stays; the last is replaced by a later one that names a source. Sorted by holder, so that two
    transactions can't wait for each other's rows in a circle.
    """
    direct: list[tuple[Any, ...]] = []
    named: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}
    for holder, touch, at in sorted(touches, key=itemgetter(0, 2)):
        if touch.names_a_source:
            parts = touch_values(touch, at)
            # One row a holder: PostgreSQL changes none twice in one statement.
            first, _ = named.get(holder, (parts, parts))
            named[holder] = first, parts
        else:
            direct.append((holder, at, at))
    both = [(holder, *first, *last) for holder, (first, last) in named.items()]
    insert_rows(connection, Touches, ("holder", "first_at", "last_at"), direct, _FIRST_STAYS)
    insert_rows(connection, Touches, ("holder", *TOUCH_COLUMNS), both, _LAST_IS_REPLACED)


async def carry_touches(session: AsyncSession, *, from_holder: str, to_holder: str) -> None:
    """Let what led the one holder here be the other's too; safe to repeat.

    The earlier first touch is both's first. The other holder keeps its own.
    """
    source = select(literal(to_holder), *(getattr(Touches, name) for name in TOUCH_COLUMNS)).where(
        Touches.holder == from_holder
    )
    new = insert_for(session, Touches).from_select(["holder", *TOUCH_COLUMNS], source)
    old = Touches.__table__.c
    is_first = new.excluded.first_at < old.first_at
    is_later = new.excluded.last_at > old.last_at
    names, named = _names_a_source(new.excluded), _names_a_source(old)
    is_last = or_(and_(names, is_later), and_(names, not_(named)), and_(not_(named), is_later))
    carried = {
        name: case((when, new.excluded[name]), else_=old[name])
        for touch, when in (("first", is_first), ("last", is_last))
        for name in touch_columns(touch)
    }
    await session.execute(new.on_conflict_do_update(index_elements=[Touches.holder], set_=carried))


def _names_a_source(row: Any) -> ColumnElement[bool]:
    return func.coalesce(*(row[f"last_{part}"] for part in PARTS)).is_not(None)
