"""What led to a purchase or a holder's first visit: the first source, the last one, and the first campaign."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_

from service.db.tables import CheckoutTouches, Touches
from service.reports.asked import Asked, Dimensions

UNKNOWN, NO_CAMPAIGN = "direct or unknown", "no campaign"
SOURCES = ("source", "last_source", "campaign")


def dimensions(touches: Any) -> Dimensions:
    """Of `Touches` or `CheckoutTouches`: the campaign's source, else the host that linked here."""
    return {
        "source": source(touches, "first"),
        "last_source": source(touches, "last"),
        "campaign": func.coalesce(touches.first_campaign, literal(NO_CAMPAIGN)),
    }


def source(touches: type[CheckoutTouches | Touches], name: str) -> ColumnElement[Any]:
    """The first or the last."""
    host = getattr(touches, f"{name}_referrer_host")
    return func.coalesce(getattr(touches, f"{name}_source"), host, literal(UNKNOWN))


def filters(asked: Asked) -> list[ColumnElement[bool]]:
    """Whether a checkout was led to by what is asked for, as indexes find it."""
    return [_is(name, asked.chosen[name]) for name in SOURCES if name in asked.chosen]


def is_last(value: str) -> ColumnElement[bool]:
    """Whether this led to a checkout last, as an index finds it."""
    return _is("last_source", value)


def _is(name: str, value: str) -> ColumnElement[bool]:
    row = CheckoutTouches
    if name == "campaign":
        campaign = row.first_campaign.expression
        return _is_named(campaign == value, [campaign], value == NO_CAMPAIGN)
    touch = "last" if name == "last_source" else "first"
    of, host = getattr(row, f"{touch}_source"), getattr(row, f"{touch}_referrer_host")
    named = or_(of == value, and_(of.is_(None), host == value))
    return _is_named(named, [of, host], value == UNKNOWN)


def _is_named(
    named: ColumnElement[bool], columns: Sequence[ColumnElement[Any]], is_word: bool
) -> ColumnElement[bool]:
    """The same where the value is the word for what isn't known, too."""
    if not is_word:
        return named
    # Not by what it is called in their place: PostgreSQL takes that to be rare, and compares all checkouts for a page.
    return or_(named, and_(*(each.is_(None) for each in columns)))
