"""Notices that a browser has seen lately, in a cookie of its own: each shows once in a number of days.

Nothing of it is stored here, and no reader is told apart by it.
"""

import re
from datetime import datetime

from fastapi import Request, Response

from service.access.notices import LONGEST_PAUSE, MOST_SEEN, NoticeShown
from service.identity.cookies import read_cookie, set_cookie
from service.settings import Settings

_SECONDS = LONGEST_PAUSE * 24 * 3600
"""As long as the longest pause between two showings."""
_SEEN = re.compile(r"([0-9a-f]{12})\.([0-9]{6,7})")


def days_since_seen(request: Request, now: datetime, settings: Settings) -> dict[str, int]:
    """By key, the days since this browser was shown it, by the publication's calendar; `now` is business time."""
    today = _today(now, settings)
    return {key: max(0, today - day) for key, day in _seen(request, settings).items()}


def remember_notice(
    request: Request, response: Response, notice: NoticeShown, now: datetime, settings: Settings
) -> None:
    """Note that it was shown today, unless it shows each time."""
    if notice.every_days is None:
        return
    seen = {**_seen(request, settings), notice.key: _today(now, settings)}
    latest = sorted(seen.items(), key=lambda each: each[1])[-MOST_SEEN:]
    value = "-".join(f"{key}.{day}" for key, day in latest)
    set_cookie(response, "notices", value, settings, max_age=_SECONDS)


def _today(now: datetime, settings: Settings) -> int:
    return now.astimezone(settings.zone).toordinal()


def _seen(request: Request, settings: Settings) -> dict[str, int]:
    """The day of each, as an ordinal. What isn't ours is left out."""
    value = read_cookie(request, "notices", settings) or ""
    found = (_SEEN.fullmatch(each) for each in value.split("-")[:MOST_SEEN])
    return {each[1]: int(each[2]) for each in found if each is not None}
