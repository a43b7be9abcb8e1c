"""Who reads how often, the way to a payment, and what isn't scheduled to end; on both databases."""

from datetime import timedelta
from fractions import Fraction

from service.db.base import Base
from service.db.session import Database
from service.db.tables import AccessEntry, Article, ReaderDevice
from service.reports.rollups import roll_day
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.rows import NOW

DAY = timedelta(days=1)
MARCH = ("2026-03-01", "2026-03-31", "month")


async def test_active_days(database: Database) -> None:
    """20 subscribers up to 10 March. The first read on 10 days of the last 30, on a device and as the
    reader, twice on one of them; the second on 2, and on 5 of the 30 before; the others never.

    (10 + 2) ÷ 20 = 0.6 days; 18 ÷ 20 slept; 1 ÷ 20 has fewer than half of 5. Who left isn't counted.
    """
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader(pseudonym=f"ctm_{n}") for n in range(21)]
    added: list[Base] = [offer, article, *readers]
    for number, reader in enumerate(readers):
        bought = rows.subscription(reader, offer)
        added.append(rows.movement(bought, 1, NOW - 90 * DAY, customer=f"ctm_{number}"))
        if number == 20:
            added.append(rows.ending(bought, 2, NOW - 5 * DAY, customer="ctm_20"))
    first, second, gone = readers[0].id, readers[1].id, readers[20].id
    reads = [
        *(_read(article, days, "device:dev_1") for days in range(6)),
        *(_read(article, days, f"reader:{first}") for days in (5, 6, 7, 8, 29)),
        _read(article, 30, f"reader:{first}"),
        *(_read(article, days, f"reader:{second}") for days in (1, 2, 31, 40, 50, 58, 59)),
        _read(article, 60, f"reader:{second}"),
        _read(article, 1, f"reader:{gone}"),
        _read(article, 3, f"reader:{readers[2].id}", wall="subscribe"),
    ]
    await store(database, *added)
    await store(database, ReaderDevice(device_id="dev_1", reader_id=first, linked_at=NOW), *reads)
    await roll_day(database, (NOW - 5 * DAY).date(), now=NOW)
    over = NOW + DAY
    found = totals(
        await lines_of(database, "active-days", asked("2026-03-10", "2026-03-10", "day", now=over))
    )
    assert found["days"].value == Fraction(12, 20)
    assert (found["asleep"].part, found["asleep"].whole) == (18, 20)
    assert (found["at_risk"].part, found["at_risk"].whole) == (1, 20)
    # Of the month that runs it is the same; a week ago the reader who has left was still there.
    march = totals(await lines_of(database, "active-days", asked(*MARCH, now=over)))
    assert march["days"].value == Fraction(12, 20)
    earlier = totals(
        await lines_of(database, "active-days", asked("2026-03-03", "2026-03-03", "day"))
    )
    assert earlier["asleep"].whole == 21


def _read(article: Article, days_ago: int, holder: str, wall: str | None = None) -> AccessEntry:
    return rows.read(article, NOW - days_ago * DAY, holder=holder, wall=wall)


async def test_the_way_from_a_read_to_a_payment(database: Database) -> None:
    """3 holders, of whom 2 met a wall; 21 buyers, one of them on two devices, 7 of whom paid: a third."""
    offer, article = rows.offer(), rows.article("a", "A")
    readers = [rows.reader() for _ in range(20)]
    await store(
        database, offer, article, *readers,
        _read(article, 1, "device:dev_1"), _read(article, 1, "device:dev_2", wall="subscribe"),
        _read(article, 2, "device:dev_3", wall="register"),
        *(
            rows.checkout(
                each, offer, NOW - DAY, device_id=f"dev_{n}",
                status="completed" if n < 7 else "expired",
            )
            for n, each in enumerate(readers)
        ),
        rows.checkout(readers[0], offer, NOW - 2 * DAY, device_id="dev_99", status="expired"),
        rows.checkout(readers[0], offer, NOW - DAY, reader_id=None, device_id="dev_98", status="open"),
        rows.checkout(readers[1], offer, NOW - 40 * DAY),
    )  # fmt: skip
    found = totals(await lines_of(database, "funnel", asked(*MARCH)))
    counts = [found[name].value for name in ("holders", "walled", "started", "paid")]
    assert counts == [3, 2, 21, 7]
    assert found["completed"].value == Fraction(7, 21)
    by_day = values(await lines_of(database, "funnel", asked("2026-03-08", "2026-03-10", "day")))
    assert by_day["started", "", ""] == [1, 21, 0, 21]
