"""Sentences that depend on figures."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.web.words import in_words, last_used

LISBON = ZoneInfo("Europe/Lisbon")
NOW = datetime(2026, 3, 10, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(0), "today"),
        (timedelta(minutes=30), "today"),
        (timedelta(minutes=31), "yesterday"),
        (timedelta(days=1, minutes=30), "yesterday"),
        (timedelta(days=1, minutes=31), "on 8 March 2026"),
        (timedelta(hours=-1), "today"),  # the clock was set back
    ],
)
def test_when_a_device_was_used(ago: timedelta, words: str) -> None:
    assert last_used(NOW - ago, NOW, LISBON) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "in a minute"), (60, "in a minute"), (61, "in 2 minutes"), (3540, "in 59 minutes"),
     (3541, "in an hour"), (3600, "in an hour")],
)  # fmt: skip
def test_how_long_to_wait(seconds: int, words: str) -> None:
    assert in_words(seconds) == words
