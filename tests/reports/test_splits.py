"""Splits and filters by section and source, on both databases; the ledger's have recomputations of their own."""

from dataclasses import replace
from datetime import timedelta

from service.db.session import Database
from service.db.tables import CheckoutTouches, Touches
from service.reports.figure import MOST_VALUES
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, values
from tests.reports.lists_behind import lists_agree
from tests.reports.rows import NOW

DAY = timedelta(days=1)
MARCH = ("2026-03-01", "2026-03-31", "month")


async def test_registrations_by_what_led_here(database: Database) -> None:
    readers = [rows.reader(email_verified_at=NOW - DAY) for _ in range(3)]
    await store(
        database, *readers,
        Touches(
            holder=f"reader:{readers[0].id}", first_at=NOW, last_at=NOW, first_source="letter",
            first_campaign="spring", last_referrer_host="search.example",
        ),
        Touches(holder=f"reader:{readers[1].id}", first_at=NOW, last_at=NOW),
    )  # fmt: skip
    expected = {
        "source": {"letter": 1, "direct or unknown": 2},
        "last_source": {"search.example": 1, "direct or unknown": 2},
        "campaign": {"spring": 1, "no campaign": 2},
    }
    for split, counts in expected.items():
        found = values(await lines_of(database, "registrations", asked(*MARCH, split=split)))
        assert found == {("all", name, ""): [n, n] for name, n in counts.items()}
        await lists_agree(database, "registrations", asked(*MARCH, split=split))
    (line,) = await lines_of(database, "registrations", asked(*MARCH, campaign="spring"))
    assert line.total.value == 1


async def test_trials_by_what_led_to_the_purchase(database: Database) -> None:
    offer, readers = rows.offer(), [rows.reader() for _ in range(2)]
    trials = [
        rows.subscription(each, offer, started_at=NOW - 9 * DAY, trial_end=NOW - 2 * DAY)
        for each in readers
    ]
    clicks = [
        rows.checkout(each, offer, NOW - 9 * DAY, stripe_subscription_id=trial.id)
        for each, trial in zip(readers, trials, strict=True)
    ]
    await store(database, offer, *readers, *trials, *clicks)
    await store(
        database,
        CheckoutTouches(checkout_id=clicks[0].id, first_at=NOW, last_at=NOW, first_source="letter"),
    )
    found = values(await lines_of(database, "trial-conversion", asked(*MARCH, split="source")))
    ended = {split: each for (series, split, _), each in found.items() if series == "ended"}
    assert ended == {"letter": [1, 1], "direct or unknown": [1, 1]}


async def test_reads_and_articles_by_section(database: Database) -> None:
    news, sport, other = (rows.article(each, each.title()) for each in ("news", "sport", "other"))
    news.section, sport.section = "News", "Sport"
    read = [
        rows.read(each, NOW - DAY, holder=f"device:{n}")
        for each in (news, sport)
        for n in range(20)
    ]
    walls = [rows.read(each, NOW - DAY, wall="subscribe") for each in (sport, other)]
    await store(database, news, sport, other, *read, *walls)
    mix = await lines_of(database, "access-mix", asked(*MARCH, split="section"))
    metered = {each.split: each.total for each in mix if each.series == "meter"}
    assert {name: (each.part, each.whole) for name, each in metered.items()} == {
        "News": (20, 20), "Sport": (20, 20),
    }  # fmt: skip
    for slug in ("articles", "article-conversion"):
        everything = await lines_of(database, slug, asked(*MARCH))
        assert {each.split for each in everything} >= {"Sport", "Other"}
        sports = await lines_of(database, slug, asked(*MARCH, section="Sport"))
        assert {each.split for each in sports} == {"Sport"}
        without = await lines_of(database, slug, asked(*MARCH, section="no section"))
        assert {each.split for each in without} == {"Other"}


async def test_a_split_keeps_the_values_with_most(database: Database) -> None:
    """Anybody can write a campaign into an address."""
    readers = [rows.reader(email_verified_at=NOW - DAY) for _ in range(MOST_VALUES + 2)]
    touches = [
        Touches(
            holder=f"reader:{each.id}", first_at=NOW, last_at=NOW,
            first_source="letter" if n < 2 else f"spam-{n:03}",
        )
        for n, each in enumerate(readers)
    ]  # fmt: skip
    await store(database, *readers, *touches)
    found = await lines_of(database, "registrations", asked(*MARCH, split="source"))
    kept = [each.split for each in found]
    assert len(kept) == MOST_VALUES
    assert "letter" in kept
    assert "spam-101" not in kept


async def test_the_depth_of_each_meter(database: Database) -> None:
    one, two, cup, race = (
        rows.article(each, each.title()) for each in ("one", "two", "cup", "race")
    )
    reads = [
        ("device:a", None, one), ("device:a", None, two), ("device:a", "sport", cup),
        ("device:b", "sport", cup), ("device:b", "sport", race), ("reader:r", "sport", cup),
    ]  # fmt: skip
    await store(
        database, one, two, cup, race,
        *(
            rows.read(article, NOW - DAY, holder=holder, meter_name=meter)
            for holder, meter, article in reads
        ),
        Touches(holder="device:b", first_at=NOW, last_at=NOW, first_source="letter"),
    )  # fmt: skip

    async def depth(split: str = "", **chosen: str) -> dict[tuple[str, str], object]:
        what = replace(asked(*MARCH, split=split), chosen=chosen)
        lines = await lines_of(database, "meter-depth", what)
        return {(each.series, each.split): each.total.value for each in lines if each.total.value}

    usual = "the publication’s"
    assert await depth("meter") == {("2", usual): 1, ("1", "sport"): 2, ("2", "sport"): 1}
    assert await depth() == {("1", ""): 1, ("2", ""): 1, ("3", ""): 1}
    assert await depth(meter="sport") == {("1", ""): 2, ("2", ""): 1}
    assert await depth(meter=usual) == {("2", ""): 1}
    assert await depth(meter="sport", source="letter") == {("2", ""): 1}
    assert await depth("source", meter="sport") == {
        ("2", "letter"): 1, ("1", "direct or unknown"): 2,
    }  # fmt: skip
