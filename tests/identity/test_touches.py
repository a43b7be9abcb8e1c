"""First and last touch, on both databases: what is kept, replaced, and carried along."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from pydantic import ValidationError

from service.checkout.touches import copy_touches
from service.db.base import Base
from service.db.session import Database
from service.db.tables import CheckoutTouches, Touches
from service.identity.touches import (
    LONGEST_VALUE,
    Campaign,
    Touch,
    carry_touches,
    record_touches,
    touch_of,
)
from service.settings import Settings
from tests.reports.rows import checkout, offer, reader

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRECT = Touch()
SEARCH = Touch(referrer_host="search.example")
LETTER = Touch(source="letter", medium="email", campaign="spring")
DEVICE, READER = "device:d", "reader:r"


async def happen(database: Database, holder: str, *touches: Touch, begin: datetime = NOON) -> None:
    """The touches, an hour apart."""
    for number, touch in enumerate(touches):
        here = [(holder, touch, begin + number * HOUR)]
        await database.in_one_go(partial(record_touches, touches=here))


def first_and_last(row: Touches | CheckoutTouches) -> tuple[tuple[Touch, int], tuple[Touch, int]]:
    """Both touches, each with its hour."""
    first, last = (
        Touch(*(getattr(row, f"{which}_{part}") for part in vars(DIRECT)))
        for which in ("first", "last")
    )
    return (first, row.first_at.hour), (last, row.last_at.hour)


async def kept(database: Database, holder: str) -> tuple[tuple[Touch, int], tuple[Touch, int]]:
    async with database.reading() as session:
        return first_and_last(await session.get_one(Touches, holder))


@pytest.mark.parametrize(
    ("touches", "first", "last"),
    [
        ([SEARCH], (SEARCH, 12), (SEARCH, 12)),
        ([SEARCH, LETTER, SEARCH], (SEARCH, 12), (SEARCH, 14)),
        ([SEARCH, LETTER, DIRECT], (SEARCH, 12), (LETTER, 13)),
        ([DIRECT, DIRECT, LETTER], (DIRECT, 12), (LETTER, 14)),
    ],
)
async def test_the_first_stays_and_the_last_is_one_with_a_source(
    database: Database,
    touches: list[Touch],
    first: tuple[Touch, int],
    last: tuple[Touch, int],
) -> None:
    await happen(database, DEVICE, *touches)
    assert await kept(database, DEVICE) == (first, last)


async def test_touches_of_one_reader_are_written_together(database: Database) -> None:
    here = [
        (DEVICE, LETTER, NOON + HOUR),
        (DEVICE, SEARCH, NOON),
        (DEVICE, DIRECT, NOON + 2 * HOUR),
    ]
    await database.in_one_go(partial(record_touches, touches=here[:2]))
    assert await kept(database, DEVICE) == ((SEARCH, 12), (LETTER, 13))
    await database.in_one_go(partial(record_touches, touches=[*here, *here]))
    assert await kept(database, DEVICE) == ((SEARCH, 12), (LETTER, 13))


@pytest.mark.parametrize(
    ("on_device", "readers", "first", "last"),
    [
        ([LETTER], [], (LETTER, 12), (LETTER, 12)),
        ([LETTER], [SEARCH], (LETTER, 12), (SEARCH, 15)),
        ([DIRECT], [SEARCH], (DIRECT, 12), (SEARCH, 15)),
        ([LETTER, SEARCH], [DIRECT], (LETTER, 12), (SEARCH, 13)),
    ],
)
async def test_a_devices_touches_go_along_to_the_reader(
    database: Database,
    on_device: list[Touch],
    readers: list[Touch],
    first: tuple[Touch, int],
    last: tuple[Touch, int],
) -> None:
    await happen(database, DEVICE, *on_device)
    await happen(database, READER, *readers, begin=NOON + 3 * HOUR)
    before = await kept(database, DEVICE)
    for _ in range(2):
        async with database.transaction() as session:
            await carry_touches(session, from_holder=DEVICE, to_holder=READER)
    assert await kept(database, READER) == (first, last)
    assert await kept(database, DEVICE) == before


async def test_what_is_written_late_replaces_no_later_touch(database: Database) -> None:
    await happen(database, DEVICE, LETTER, begin=NOON + HOUR)
    await happen(database, DEVICE, SEARCH)
    assert (await kept(database, DEVICE))[1] == (LETTER, 13)


async def test_a_later_device_changes_no_first_touch(database: Database) -> None:
    await happen(database, READER, SEARCH)
    await happen(database, DEVICE, LETTER, DIRECT, begin=NOON + HOUR)
    async with database.transaction() as session:
        await carry_touches(session, from_holder=DEVICE, to_holder=READER)
    assert await kept(database, READER) == ((SEARCH, 12), (LETTER, 13))


async def test_a_device_without_touches_brings_none(database: Database) -> None:
    await happen(database, READER, SEARCH)
    async with database.transaction() as session:
        await carry_touches(session, from_holder=DEVICE, to_holder=READER)
    assert await kept(database, READER) == ((SEARCH, 12), (SEARCH, 12))


async def test_a_checkout_keeps_what_was_known_at_the_last_click(database: Database) -> None:
    buyer, sold = reader(), offer()
    begun = checkout(buyer, sold, NOON)
    await _store(database, buyer, sold, begun)
    await happen(database, DEVICE, SEARCH)
    for touch, hours in ((DIRECT, 1), (LETTER, 2)):
        async with database.transaction() as session:
            await copy_touches(session, begun.id, DEVICE, touch, NOON + hours * HOUR)
    await happen(database, DEVICE, SEARCH, begin=NOON + 5 * HOUR)
    async with database.reading() as session:
        copy = await session.get_one(CheckoutTouches, begun.id)
    assert first_and_last(copy) == ((SEARCH, 12), (LETTER, 14))


async def test_who_has_no_device_has_the_touch_of_the_click(database: Database) -> None:
    buyer, sold = reader(), offer()
    begun = checkout(buyer, sold, NOON)
    await _store(database, buyer, sold, begun)
    async with database.transaction() as session:
        await copy_touches(session, begun.id, None, LETTER, NOON)
    async with database.reading() as session:
        copy = await session.get_one(CheckoutTouches, begun.id)
    assert first_and_last(copy) == ((LETTER, 12), (LETTER, 12))


async def _store(database: Database, *rows: Base) -> None:
    async with database.transaction() as session:
        for row in rows:
            session.add(row)
            await session.flush()


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://search.example/find?q=secret", "search.example"),
        ("https://reader:password@search.example:8443/", "search.example"),
        ("http://127.0.0.1:8000/articles/a", None),
        ("android-app://com.example.reader/", "com.example.reader"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("http://[::1", None),
        ("javascript://search.example/%0aalert(1)", None),
        ("file://desk/letter.html", None),
        ("http://ana%40example.org/", None),
        ("http://a\0b/", None),
        ("http://<script>/", None),
        ("http://" + "h" * 254 + "/", None),
        ("", None),
        (None, None),
    ],
)
def test_only_the_foreign_host_is_kept(
    plain_settings: Settings, referrer: str | None, host: str | None
) -> None:
    assert touch_of(referrer, None, plain_settings) == Touch(referrer_host=host)


@pytest.mark.parametrize("value", ["", "x" * (LONGEST_VALUE + 1), "a\0b", "a\nb"])
@pytest.mark.parametrize("field", Campaign.model_fields)
def test_a_campaigns_values_are_short_and_plain(field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Campaign.model_validate({field: value})
