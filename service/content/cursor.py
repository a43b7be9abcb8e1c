"""Cursors of lists: the place of the last item, opaque to callers, checked when they come back."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from service.problems import Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(-?\d{1,18}):([a-z]{2,5}_[0-9a-f]{24})", re.ASCII)


def to_cursor(at: datetime, item_id: str) -> str:
    """The cursor of the item with this instant and identifier."""
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds}:{item_id}".encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> tuple[datetime, str]:
    """The instant and identifier in a cursor. Raises Problem `invalid-request`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = _PLACE.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        if place is not None:
            return _EPOCH + timedelta(microseconds=int(place[1])), place[2]
    except (binascii.Error, ValueError, OverflowError):
        pass
    message = "Take the cursor from next_cursor unchanged, or leave it away for the first page."
    raise Problem(
        "invalid-request", message, errors=[{"field": "query.cursor", "message": message}]
    )
