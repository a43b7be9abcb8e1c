"""The dates of an export's items, which come in several forms and often without a zone."""

import re
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from service.clock import in_utc
from service.content.importers.wxr import Item

_YEAR = re.compile(r"\s[12]\d{3}\s")


def published_at(item: Item, zone: ZoneInfo) -> tuple[datetime | None, bool]:
    """When the post appeared (aware, UTC), and whether that is its local date read in `zone`.

    WordPress's UTC date, else the feed's, else the local one, else when it was changed. Drafts and
    careless imports leave 0000-00-00 in the first and the year -0001 in the second.
    """
    known = _parsed(item.text("wp:post_date_gmt"), UTC) or _parsed_rfc822(item.text("pubDate"))
    if known is not None:
        return known, False
    local = _parsed(item.text("wp:post_date"), zone)
    return (local, True) if local is not None else (_modified(item, zone), False)


def updated_at(item: Item, published: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the post was last changed (aware, UTC), where that lies between `published` and `now`."""
    modified = _modified(item, zone)
    return modified if modified is not None and published <= modified <= now else None


def _modified(item: Item, zone: ZoneInfo) -> datetime | None:
    return _parsed(item.text("wp:post_modified_gmt"), UTC) or _parsed(
        item.text("wp:post_modified"), zone
    )


def _parsed(text: str, zone: tzinfo) -> datetime | None:
    """ISO 8601, with a space or a T, with or without an offset; `zone` is for those without."""
    try:
        date = datetime.fromisoformat(text)
        return in_utc(date if date.tzinfo else date.replace(tzinfo=zone))
    except ValueError:
        return None


def _parsed_rfc822(text: str) -> datetime | None:
    # "Mon, 30 Nov -0001" is what WordPress writes for no date; email.utils makes 2000 of it.
    if not _YEAR.search(text):
        return None
    try:
        date = parsedate_to_datetime(text)
        return in_utc(date if date.tzinfo else date.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
