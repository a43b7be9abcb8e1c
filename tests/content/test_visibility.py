from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from service.content.visibility import is_visible, next_minute

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(seconds=30)


@dataclass(frozen=True)
class Dated:
    status: str
    published_at: datetime | None


@pytest.mark.parametrize(
    ("status", "published_at", "visible"),
    [
        ("published", PAST, True),
        ("published", NOW, True),
        ("published", FUTURE, False),
        ("scheduled", FUTURE, False),
        ("scheduled", PAST, True),
        ("published", None, False),
        ("draft", PAST, False),
        ("draft", FUTURE, False),
        ("withdrawn", PAST, False),
        ("withdrawn", FUTURE, False),
    ],
)
def test_status_and_instant_decide(
    status: str, published_at: datetime | None, visible: bool
) -> None:
    article = Dated(status, published_at)
    assert is_visible(article, NOW) is visible


@pytest.mark.parametrize(("seconds", "left"), [(0, 60), (0.5, 59.5), (59.9, 0.1), (60, 60)])
def test_copies_of_lists_end_with_the_minute(seconds: float, left: float) -> None:
    now = NOW + timedelta(seconds=seconds)
    assert (next_minute(now) - now).total_seconds() == pytest.approx(left)
