"""What led to a purchase or a holder's first visit: the first source, the last one, and the first campaign."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_

from service.db.tables import CheckoutTouches, Touches
from service.reports.asked import Dimensions

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


def is_last(value: str) -> ColumnElement[bool]:
    """Whether this led to a checkout last, as an index finds it."""
    row = CheckoutTouches
    named = or_(
        row.last_source == value, and_(row.last_source.is_(None), row.last_referrer_host == value)
    )
    if value != UNKNOWN:
        return named
    # Not by what it is called in their place: PostgreSQL takes that to be rare, and compares all checkouts for a page.
    return or_(named, and_(row.last_source.is_(None), row.last_referrer_host.is_(None)))
