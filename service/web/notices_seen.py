"""Notices that a browser has seen lately, in a cookie of its own: each shows once in a number of days.

Nothing of it is stored here, and no reader is told apart by it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from fastapi import Request, Response

from service.access.notices import NoticeShown
from service.identity.cookies import read_cookie, set_cookie
from service.settings import Settings

_MOST = 20
_SECONDS = 366 * 24 * 3600
"""As long as the longest pause between two showings."""
_SEEN = re.compile(r"([0-9a-f]{12})\.([0-9]{6,7})")


def due_notice(
    request: Request, notices: Sequence[NoticeShown], today: date, settings: Settings
) -> NoticeShown | None:
    """The first that this browser hasn't seen within its days; `today` is the publication's."""
    seen = _seen(request, settings)
    return next((each for each in notices if _is_due(each, seen, today)), None)


def remember_notice(
    request: Request, response: Response, notice: NoticeShown, today: date, settings: Settings
) -> None:
    """Note that it was shown today, unless it shows each time."""
    if notice.every_days is None:
        return
    seen = {**_seen(request, settings), notice.key: today.toordinal()}
    latest = sorted(seen.items(), key=lambda each: each[1])[-_MOST:]
    value = "-".join(f"{key}.{day}" for key, day in latest)
    set_cookie(response, "notices", value, settings, max_age=_SECONDS)


def _is_due(notice: NoticeShown, seen: Mapping[str, int], today: date) -> bool:
    if notice.every_days is None or notice.key not in seen:
        return True
    return today.toordinal() - seen[notice.key] >= notice.every_days


def _seen(request: Request, settings: Settings) -> dict[str, int]:
    """The day of each, as an ordinal. What isn't ours is left out."""
    value = read_cookie(request, "notices", settings) or ""
    found = (_SEEN.fullmatch(each) for each in value.split("-")[:_MOST])
    return {each[1]: int(each[2]) for each in found if each is not None}
