from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from service.content.visibility import is_visible, next_change

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(seconds=30)


@dataclass(frozen=True)
class Dated:
    status: str
    published_at: datetime | None


@pytest.mark.parametrize(
    ("status", "published_at", "visible", "changes"),
    [
        ("published", PAST, True, None),
        ("published", NOW, True, None),
        ("published", FUTURE, False, FUTURE),
        ("scheduled", FUTURE, False, FUTURE),
        ("scheduled", PAST, True, None),
        ("published", None, False, None),
        ("draft", PAST, False, None),
        ("draft", FUTURE, False, None),
        ("withdrawn", PAST, False, None),
        ("withdrawn", FUTURE, False, None),
    ],
)
def test_status_and_instant_decide(
    status: str, published_at: datetime | None, visible: bool, changes: datetime | None
) -> None:
    article = Dated(status, published_at)
    assert is_visible(article, NOW) is visible
    assert next_change(article, NOW) == changes
