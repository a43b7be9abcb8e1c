"""Sources, buyers and articles that sell: counted again in plain Python from random rows on both databases."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    Article,
    CheckoutTouches,
    Offer,
    Reader,
    ReaderDevice,
)
from service.reports.asked import Asked
from service.reports.queries.article_readers import readers_of
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
from tests.reports.recounting import (
    HOUR,
    Days,
    by_series,
    copy_of,
    hours,
    periods,
    played,
)
from tests.reports.sampled import sampled

SOME = sampled(2)


@dataclass(frozen=True)
class Click:
    """A checkout: by a reader, a device, or nobody known; completed `minutes` later, or never."""

    hour: int
    who: str
    minutes: int | None
    is_pass: bool
    first: tuple[str | None, str | None] | None
    last: tuple[str | None, str | None] | None
    article: str | None
    is_gift: bool

    @property
    def at(self) -> datetime:
        return BEGIN + self.hour * HOUR

    @property
    def paid_at(self) -> datetime | None:
        return None if self.minutes is None else self.at + timedelta(minutes=self.minutes)

    def rows(
        self, number: int, offer: Offer, present: Offer, readers: dict[str, Reader]
    ) -> list[Base]:
        kind, _, name = self.who.partition(":")
        made = rows.checkout(
            readers[READERS[0]], present if self.is_gift else offer, self.at, id=f"cko_{number:03}",
            reader_id=name if kind == "reader" else None,
            device_id=name if kind == "device" else None,
            status="open" if self.minutes is None else "completed", completed_at=self.paid_at,
            article_id=self.article if self.is_pass else None,
            stripe_subscription_id=None if self.is_pass else f"sub_{number}",
        )  # fmt: skip
        if self.first is None and self.last is None:
            return [made]
        (first_source, first_host), (last_source, last_host) = (
            each or (None, None) for each in (self.first, self.last)
        )
        touches = CheckoutTouches(
            checkout_id=made.id, first_at=self.at, last_at=self.at, first_source=first_source,
            first_referrer_host=first_host, last_source=last_source, last_referrer_host=last_host,
        )  # fmt: skip
        return [made, touches]


touch = st.none() | st.tuples(
    st.sampled_from([None, "letter", "autumn"]),
    st.sampled_from([None, "search.example", "a.example"]),
)
clicks = st.lists(
    st.builds(
        Click, hours,
        st.sampled_from([*(f"reader:{each}" for each in READERS), "device:d1", "device:d4", "nobody:"]),
        st.none() | st.integers(0, 3000), st.booleans(), touch, touch,
        st.sampled_from([None, "art_1", "art_2"]), st.booleans(),
    ).map(lambda each: replace(each, is_pass=True) if each.is_gift else each),
    min_size=1, max_size=25,
)  # fmt: skip


def source_of(found: tuple[str | None, str | None] | None) -> str:
    """The campaign's, else the site's."""
    source, host = found or (None, None)
    return source or host or "direct or unknown"


def test_sources_buyers_and_articles_that_sell(database_url: str) -> None:
    @SOME
    @given(ledger=ledgers, clicked=clicks, days=periods)
    def play(ledger: list[AccessEntry], clicked: list[Click], days: Days) -> None:
        played(
            lambda database: _sales(database, in_zone(ledger, days.zone), clicked, days),
            database_url,
        )

    play()


async def _sales(
    database: Database, ledger: list[AccessEntry], clicked: list[Click], days: Days
) -> None:
    offer, present = rows.offer(), rows.offer(kind="gift")
    readers = {each: rows.reader(id=each) for each in READERS}
    articles = [rows.article(f"art-{n}", f"Article {n}") for n in (1, 2)]
    for number, each in enumerate(articles, start=1):
        each.id = f"art_{number}"
    await store(database, offer, present, *readers.values(), *articles)
    for number, click in enumerate(clicked):
        await store(database, *click.rows(number, offer, present, readers))
    links = [ReaderDevice(device_id=d, reader_id=r, linked_at=BEGIN) for d, r in LINKED.items()]
    await store(database, *links, *(copy_of(each) for each in ledger))
    what = days.asked()
    nothing = [0] * (days.count + 1)

    await lists_agree(database, "sources", what)
    found = by_series(await lines_of(database, "sources", what))
    sold = [each for each in clicked if each.paid_at is not None and not each.is_pass]
    for name in ("first", "last"):
        for value in {source_of(getattr(each, name)) for each in sold}:
            moments = [each.paid_at for each in sold if source_of(getattr(each, name)) == value]
            expected = days.tallied(at for at in moments if at is not None)
            assert found.get((name, value), nothing) == expected, (name, value)

    found = by_series(await lines_of(database, "funnel", what))
    whose = [(row.at, joined(row.holder), row.wall) for row in ledger]
    assert found["holders", ""] == days.distinct((at, each) for at, each, _ in whose)
    assert found["walled", ""] == days.distinct((at, each) for at, each, wall in whose if wall)
    buyers = [
        (each.at, each.who.partition(":")[2] or f"nobody {n}", each)
        for n, each in enumerate(clicked)
    ]
    assert found["started", ""] == days.distinct(
        (at, each) for at, each, click in buyers if not click.is_gift
    )
    for series, is_gift in (("paid", False), ("gifts", True)):
        assert found[series, ""] == days.distinct(
            (at, each)
            for at, each, click in buyers
            if click.paid_at is not None and click.is_gift == is_gift
        )

    found = by_series(await lines_of(database, "articles", what))
    for number in (1, 2):
        name, title = f"art_{number}", f"Article {number}"
        theirs = [row for row in ledger if row.article_id == name]
        bought, given = (
            [
                each.paid_at
                for each in clicked
                if each.paid_at is not None
                and each.is_gift == is_gift
                and _sold_by(each, ledger) == name
            ]
            for is_gift in (False, True)
        )
        all_four = {
            "sales": days.tallied(bought),
            "gifts": days.tallied(given),
            "walls": days.tallied(row.at for row in theirs if row.wall),
            "reads": days.tallied(row.at for row in theirs if not row.wall),
        }
        for series, counts in all_four.items():
            if any(each[-1] for each in all_four.values()):
                assert found[series, title] == counts, series
        distinct = days.distinct((row.at, joined(row.holder)) for row in theirs if row.granted)
        assert (await _readers_of_articles(database, what)).get(name, 0) == distinct[-1]


async def _readers_of_articles(database: Database, what: Asked) -> dict[str, int]:
    async with database.reading() as session:
        found = await readers_of(session, what, [*await session.scalars(select(Article.id))])
    assert found is not None
    return {article: each.number for article, each in found.items()}


def _sold_by(click: Click, ledger: list[AccessEntry]) -> str | None:
    """The pass's own article, else the one whose wall the buyer met last before the click."""
    if click.is_pass and click.article:
        return click.article
    met = [
        (row.at, row.id, row.article_id)
        for row in ledger
        if row.wall and row.at <= click.at and row.holder == click.who
    ]
    return max(met)[2] if met else None
