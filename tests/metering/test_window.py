from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.levels import Span, WindowKind
from service.metering.window import MeterState, Window, window_at

LISBON, TOKYO, SAO_PAULO = (
    ZoneInfo("Europe/Lisbon"),
    ZoneInfo("Asia/Tokyo"),
    ZoneInfo("America/Sao_Paulo"),
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day, …


@pytest.mark.parametrize(
    ("now", "kind", "zone", "start", "end"),
    [
        pytest.param(utc(2026, 1, 29), "month", LISBON, utc(2026, 1, 1), utc(2026, 2, 1), id="29 January"),
        pytest.param(utc(2026, 1, 31, 23, 59), "month", LISBON, utc(2026, 1, 1), utc(2026, 2, 1), id="end of January"),
        pytest.param(utc(2026, 2, 1), "month", LISBON, utc(2026, 2, 1), utc(2026, 3, 1), id="half-open"),
        pytest.param(utc(2028, 2, 29, 12), "month", LISBON, utc(2028, 2, 1), utc(2028, 3, 1), id="leap day"),
        pytest.param(utc(2026, 12, 31, 23), "month", LISBON, utc(2026, 12, 1), utc(2027, 1, 1), id="year's end"),
        pytest.param(utc(2026, 3, 31, 23, 30), "month", LISBON, utc(2026, 3, 31, 23), utc(2026, 4, 30, 23), id="summer time: April began at 23:00 UTC"),
        pytest.param(utc(2026, 3, 10), "month", LISBON, utc(2026, 3, 1), utc(2026, 3, 31, 23), id="a month with the change"),
        pytest.param(utc(2026, 3, 29, 0, 30), "day", LISBON, utc(2026, 3, 29), utc(2026, 3, 29, 23), id="a day of 23 hours"),
        pytest.param(utc(2026, 10, 25, 12), "day", LISBON, utc(2026, 10, 24, 23), utc(2026, 10, 26), id="a day of 25 hours"),
        pytest.param(utc(2025, 12, 31, 16), "month", TOKYO, utc(2025, 12, 31, 15), utc(2026, 1, 31, 15), id="already January in Tokyo"),
        pytest.param(utc(2026, 1, 1, 12), "week", LISBON, utc(2025, 12, 29), utc(2026, 1, 5), id="a week over the year's end"),
        pytest.param(utc(2018, 11, 4, 12), "day", SAO_PAULO, utc(2018, 11, 4, 3), utc(2018, 11, 5, 2), id="no midnight that day"),
    ],
)  # fmt: skip
def test_calendar_windows(
    now: datetime, kind: WindowKind, zone: ZoneInfo, start: datetime, end: datetime
) -> None:
    assert window_at(now, Span(kind), zone) == Window(start, end, Span(kind))


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 bounds are naive
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from([LISBON, TOKYO, SAO_PAULO, ZoneInfo("Australia/Lord_Howe")]),
)
def test_windows_tile_time(now: datetime, kind: WindowKind, zone: ZoneInfo) -> None:
    window = window_at(now, Span(kind), zone)
    assert window.start <= now < window.end
    assert window_at(window.end, Span(kind), zone).start == window.end
    assert window_at(window.start, Span(kind), zone) == window


def test_what_is_left() -> None:
    window = Window(utc(2026, 1, 1), utc(2026, 2, 1))
    state = MeterState(window, 3, counted=frozenset({"a", "b"}), carried=frozenset({"c"}))
    assert (state.used, state.remaining, state.read_set) == (
        2,
        1,
        frozenset({"a", "b", "c"}),
    )
    assert MeterState(window, 1, counted=frozenset({"a", "b"})).remaining == 0


def test_those_who_have_read_the_same_share_what_is_remembered_of_it() -> None:
    window = Window(utc(2026, 1, 1), utc(2026, 2, 1))
    first, second = (MeterState.of(window, 3, ["a", "b"], []) for _ in range(2))
    assert first == MeterState(window, 3, frozenset({"a", "b"}))
    assert (first.counted is second.counted, first.carried is second.carried) == (True, True)
