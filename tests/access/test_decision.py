"""Every rule of access, in its order; the first match wins."""

from datetime import UTC, datetime

import pytest

from service.access.decision import (
    Allow,
    ArticleFacts,
    Decision,
    Hidden,
    Level,
    Meter,
    ReaderFacts,
    Wall,
    decide,
)
from service.metering.window import MeterState, Window

JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


def meter(*counted: str, limit: int = 3, carried: tuple[str, ...] = ()) -> MeterState:
    return MeterState(JANUARY, limit, frozenset(counted), frozenset(carried))


ANYONE, SUBSCRIBER, COMPED = (
    ReaderFacts(),
    ReaderFacts("subscription"),
    ReaderFacts("comp"),
)
VERIFIED = ReaderFacts(verified=True, room_after_registering=5)
UNREGISTERED = ReaderFacts(can_register=True, room_after_registering=5)
NO_ROOM = ReaderFacts(can_register=True, room_after_registering=0)


@pytest.mark.parametrize(
    "reader", [ANYONE, SUBSCRIBER, COMPED], ids=["anyone", "subscriber", "comped"]
)
@pytest.mark.parametrize("level", ["free", "metered", "registered", "subscribers"])
def test_what_is_not_visible_is_hidden_from_everybody(reader: ReaderFacts, level: Level) -> None:
    assert decide(ArticleFacts("x", visible=False, level=level), reader, meter("x")) == Hidden()


@pytest.mark.parametrize(
    ("level", "reader", "state", "expected"),
    [
        pytest.param("free", ANYONE, meter("a", "b", "c"), Allow("free"), id="free, meter full"),
        pytest.param("free", SUBSCRIBER, meter(), Allow("free"), id="free comes before a grant"),
        pytest.param("metered", SUBSCRIBER, meter(), Allow("subscription"), id="a grant comes before the meter"),
        pytest.param("metered", COMPED, meter("a", "b", "c"), Allow("comp"), id="comp, meter full"),
        pytest.param("subscribers", SUBSCRIBER, meter(), Allow("subscription"), id="subscriber"),
        pytest.param("subscribers", COMPED, None, Allow("comp"), id="comp, no meter"),
        pytest.param("subscribers", ANYONE, meter(), Wall("subscribers_only"), id="for subscribers only"),
        pytest.param("subscribers", ANYONE, meter("x"), Wall("subscribers_only"), id="a raised level closes what was counted"),
        pytest.param("metered", ANYONE, meter(), Meter(consumes=True), id="first"),
        pytest.param("metered", ANYONE, meter("a", "b"), Meter(consumes=True), id="the last free one"),
        pytest.param("metered", ANYONE, meter("a", "b", "c"), Wall("meter_exhausted"), id="one too many"),
        pytest.param("metered", ANYONE, meter("x", "b"), Meter(consumes=False), id="re-read"),
        pytest.param("metered", ANYONE, meter("x", "b", "c"), Meter(consumes=False), id="re-read, meter full"),
        pytest.param("metered", ANYONE, meter("a", "b", "c", carried=("x",)), Meter(consumes=False), id="carried re-read"),
        pytest.param("metered", ANYONE, meter("a", "b", "c", limit=2), Wall("meter_exhausted"), id="a lowered limit"),
        pytest.param("metered", ANYONE, meter("x", limit=0), Meter(consumes=False), id="limit 0 keeps what was read"),
        pytest.param("metered", ANYONE, meter(limit=0), Wall("meter_exhausted"), id="limit 0 opens nothing"),
        pytest.param("metered", ANYONE, None, Allow("free"), id="no meter at all"),
        pytest.param("metered", SUBSCRIBER, None, Allow("free"), id="no meter, subscriber"),
        pytest.param("metered", SUBSCRIBER, meter("x"), Allow("subscription"), id="re-read of a subscriber"),
        pytest.param("metered", SUBSCRIBER, meter(limit=0), Allow("subscription"), id="limit 0, subscriber"),
        pytest.param("free", ANYONE, None, Allow("free"), id="free, no meter"),
        pytest.param("free", COMPED, meter(limit=0), Allow("free"), id="free, limit 0"),
        pytest.param("subscribers", ANYONE, None, Wall("subscribers_only"), id="for subscribers only, no meter"),
        pytest.param("subscribers", ANYONE, meter(carried=("x",)), Wall("subscribers_only"), id="a raised level closes what was carried"),
        pytest.param("registered", VERIFIED, None, Allow("registered"), id="registered"),
        pytest.param("registered", VERIFIED, meter("a", "b", "c"), Allow("registered"), id="registered, meter full"),
        pytest.param("registered", SUBSCRIBER, None, Allow("subscription"), id="a grant opens what registering would"),
        pytest.param("registered", UNREGISTERED, None, Wall("registered_only", "register"), id="registering would open it"),
        pytest.param("registered", UNREGISTERED, meter("x"), Wall("registered_only", "register"), id="a raised level, registering would open it"),
        pytest.param("registered", ANYONE, None, Wall("registered_only", "subscribe"), id="nobody can register"),
        pytest.param("metered", UNREGISTERED, meter("a", "b"), Meter(consumes=True), id="room left, no wall yet"),
        pytest.param("metered", UNREGISTERED, meter("a", "b", "c"), Wall("meter_exhausted", "register"), id="used up, registering brings more"),
        pytest.param("metered", NO_ROOM, meter("a", "b", "c"), Wall("meter_exhausted", "subscribe"), id="used up, registering brings nothing"),
        pytest.param("metered", VERIFIED, meter("a", "b", "c"), Wall("meter_exhausted", "subscribe"), id="registered and used up"),
        pytest.param("metered", VERIFIED, meter("a", carried=("x",)), Meter(consumes=False), id="carried from the device"),
        pytest.param("metered", UNREGISTERED, None, Allow("free"), id="no meter, nobody registers"),
        pytest.param("subscribers", UNREGISTERED, meter(), Wall("subscribers_only", "subscribe"), id="registering isn't enough"),
        pytest.param("subscribers", VERIFIED, meter(), Wall("subscribers_only", "subscribe"), id="registered isn't enough"),
        pytest.param("subscribers", COMPED, meter("a", "b", "c"), Allow("comp"), id="comp, for subscribers only"),
    ],
)  # fmt: skip
def test_the_rules(
    level: Level, reader: ReaderFacts, state: MeterState | None, expected: Decision
) -> None:
    assert decide(ArticleFacts("x", visible=True, level=level), reader, state) == expected
