"""Active days: counted again in plain Python from random rows, on both databases and in several zones."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given

from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    MovementRow,
    ReaderDevice,
)
from tests.reports import rows
from tests.reports.figures_asked import lines_of, store
from tests.reports.ledger_histories import (
    BEGIN,
    LINKED,
    READERS,
    in_zone,
    joined,
    ledgers,
)
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import histories
from tests.reports.recounting import DAY, Days, copy_of, periods_from, played
from tests.reports.sampled import sampled

SOME = sampled(2)


def test_active_days(database_url: str) -> None:
    @SOME
    @given(ledger=ledgers, history=histories(), days=periods_from(50))
    def play(ledger: list[AccessEntry], history: list[MovementRow], days: Days) -> None:
        played(
            lambda database: _habits(database, in_zone(ledger, days.zone), history, days),
            database_url,
        )

    play()


async def _habits(
    database: Database, ledger: list[AccessEntry], history: list[MovementRow], days: Days
) -> None:
    """Two readers are two of the three customers; the third was erased."""
    whose = dict(zip(READERS, ("ctm_1", "ctm_2"), strict=True))
    readers = [rows.reader(id=each, pseudonym=name) for each, name in whose.items()]
    links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
    columns = [each.key for each in MovementRow.__table__.columns]
    await store(database, *readers)
    await store(
        database, *links, *(copy_of(each) for each in ledger),
        *(MovementRow(**{key: getattr(row, key) for key in columns}) for row in history),
    )  # fmt: skip
    await lists_agree(database, "active-days", days.asked())
    lines = {line.series: line for line in await lines_of(database, "active-days", days.asked())}
    for number in range(days.count):
        day = days.first + number * DAY
        expected = _habits_on(day, ledger, history, whose, days.zone)
        cells = {name: line.cells[number] for name, line in lines.items()}
        people, read, settled, asleep, less = expected
        assert (cells["days"].part, cells["days"].whole) == (read, people), day
        assert (cells["asleep"].part, cells["asleep"].whole) == (asleep, settled), day
        assert (cells["at_risk"].part, cells["at_risk"].whole) == (less, people), day


def _habits_on(
    day: date,
    ledger: list[AccessEntry],
    history: list[MovementRow],
    whose: dict[str, str],
    zone: ZoneInfo,
) -> tuple[int, int, int, int, int]:
    """Active readers when the day ends, their days with a read, who was one 30 days before, who of these
    slept, and who comes less.
    """
    people = read = settled = asleep = less = 0
    for reader, customer in whose.items():
        if not _is_active(day, history, customer, zone):
            continue
        theirs = {r.day for r in ledger if r.granted and joined(r.holder) == f"reader:{reader}"}
        lately = sum(day - 30 * DAY < each <= day for each in theirs)
        before = sum(day - 60 * DAY < each <= day - 30 * DAY for each in theirs)
        people, read = people + 1, read + lately
        is_settled = _is_active(day - 30 * DAY, history, customer, zone)
        settled += is_settled
        asleep += is_settled and lately == 0
        less += 2 * lately < before
    return people, read, settled, asleep, less


def _is_active(day: date, history: list[MovementRow], customer: str, zone: ZoneInfo) -> bool:
    """When the day ends."""
    midnight = datetime.combine(day + DAY, datetime.min.time(), zone)
    last: dict[str, MovementRow] = {}
    for row in sorted(history, key=lambda each: each.number):
        if row.customer == customer and row.at < midnight:
            last[row.subscription_id] = row
    return any(row.to_plan for row in last.values())
