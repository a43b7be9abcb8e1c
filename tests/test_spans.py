"""A span that callers send ends after it has begun."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from service.clock import check_span

NOON, LATER = (datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in (0, 1))


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "is_taken"),
    [
        (NOON, LATER, True), (None, NOON, True), (NOON, None, True), (None, None, True),
        (NOON, NOON, False), (LATER, NOON, False),
    ],
)  # fmt: skip
def test_a_span_ends_after_it_has_begun(
    starts_at: datetime | None, ends_at: datetime | None, is_taken: bool
) -> None:
    with nullcontext() if is_taken else pytest.raises(ValueError, match="ends_at must be after"):
        check_span(starts_at, ends_at)
