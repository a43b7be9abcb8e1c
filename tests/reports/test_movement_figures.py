"""Figures of movements, on both databases, against their rows counted again in plain Python."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.db.session import Database
from service.db.tables import MovementRow
from service.reports.asked import Asked
from service.reports.cells import Line
from service.reports.figures import by_movements
from service.reports.period import NotAsked
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import BEGIN, Ledger, Oracle, histories
from tests.reports.rolled import Rolled, store_rolled, ways
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

LATER = BEGIN + timedelta(days=400)
ZONES = ("UTC", "Europe/Lisbon", "America/Santiago", "Pacific/Auckland")
SOME = sampled(2)
SPLITS = ("", "plan", "interval_charged", "currency")
KINDS = ("new", "reactivation", "expansion", "resume", "contraction", "churn_voluntary",
         "churn_involuntary", "pause")  # fmt: skip
WAYS = ("new", "reactivated", "resumed", "changed_in", "involuntary", "voluntary", "paused",
        "changed_out")  # fmt: skip


def test_figures_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        history=histories(), start=st.sampled_from([15, 20, 40]), days=st.sampled_from([1, 21, 41, 66]),
        interval=st.sampled_from(["day", "week", "month", "year"]), zone=st.sampled_from(ZONES),
        rolled=ways, abroad=st.booleans(), listed=st.sampled_from(SPLITS),
    )  # fmt: skip
    def play(
        history: list[MovementRow], start: int, days: int, interval: str, zone: str,
        rolled: Rolled, abroad: bool, listed: str,
    ) -> None:  # fmt: skip
        first = BEGIN.date() + timedelta(days=start)
        last = first + timedelta(days=days - 1)
        home = ZoneInfo("Europe/Lisbon" if abroad else zone)
        what = asked(str(first), str(last), interval, now=LATER, zone=zone, home=home)
        oracle = Oracle(history, first, last, interval, ZoneInfo(zone))
        asyncio.run(_compare(database_url, history, what, oracle, rolled, listed))

    play()


async def _compare(
    url: str, history: list[MovementRow], what: Asked, oracle: Oracle, rolled: Rolled, listed: str
) -> None:
    database = Database(url)
    try:
        await store_rolled(database, history, rolled, what.home)
        for split in SPLITS:
            await _agree(database, replace(what, split=split), oracle)
        for slug in ("active-subscribers", "joined-and-left", "subscriber-churn"):
            await lists_agree(database, slug, replace(what, split=listed))
        await _now(database, history, rolled)
    finally:
        await database.dispose()


async def _agree(database: Database, what: Asked, oracle: Oracle) -> None:
    money, readers = oracle.money(what.split, "recurring"), oracle.readers(what.split)
    _levels(await lines_of(database, "mrr", what), money)
    _levels(await lines_of(database, "mrr-after-discounts", what), oracle.money(what.split, "net"))
    _levels(await lines_of(database, "arr", what), money, 12)
    _levels(await lines_of(database, "active-subscribers", what), readers)
    _changes(await lines_of(database, "mrr-movements", what), money, KINDS)
    _changes(await lines_of(database, "joined-and-left", what), readers, WAYS)
    _rates(
        await lines_of(database, "subscriber-churn", what),
        await lines_of(database, "mrr-churn", what),
        oracle, what.split,
    )  # fmt: skip


async def _now(database: Database, history: list[MovementRow], rolled: Rolled) -> None:
    """What readers pay at this moment, with the rows that aren't added up yet."""
    async with database.reading() as session:
        found = await by_movements(session)
    assert (found is None) is (rolled == "no")
    if found is None:
        return
    oracle = Oracle(history, LATER.date(), LATER.date(), "day", ZoneInfo("UTC"))
    assert found.readers == sum(oracle.readers("").opening.values())
    for amounts, name in ((found.mrr, "recurring"), (found.net, "net")):
        sums: defaultdict[str, Fraction] = defaultdict(Fraction)
        for (_, _, currency), amount in oracle.money("", name).opening.items():
            sums[currency] += amount
        assert {currency: each for currency, each in amounts.items() if each} == {
            currency: each for currency, each in sums.items() if each
        }


@pytest.mark.parametrize("rolled", get_args(Rolled))
async def test_what_is_paid_now_has_the_rows_that_are_not_added_up_yet(
    database: Database, rolled: Rolled
) -> None:
    """One reader leaves, another pays less for one thing and is back to a second, each by the third row."""
    one, two, three = (
        rows.subscription(rows.reader(), rows.offer(), id=f"sub_{number}") for number in range(3)
    )
    at = [BEGIN + timedelta(days=number) for number in range(4)]
    paid = {"from_plan": "digital", "from_interval": "month", "from_interval_count": 1}
    was = {**paid, "from_recurring": 1800, "from_net": 1500}
    more = {**paid, "from_recurring": 900, "from_net": 900, "to_recurring": 1800, "to_net": 1500}
    less = {**was, "to_recurring": 700, "to_net": 350}
    history = [
        rows.movement(one, 1, at[1], customer="ctm_0"),
        rows.movement(one, 2, at[2], kind="expansion", customer="ctm_0", **more),
        rows.ending(one, 3, at[3], customer="ctm_0", **was),
        rows.movement(two, 1, at[1], customer="ctm_1"),
        rows.movement(two, 2, at[2], kind="expansion", customer="ctm_1", **more),
        rows.movement(two, 3, at[3], kind="contraction", customer="ctm_1", **less),
        rows.movement(three, 1, at[1], customer="ctm_1"),
        rows.ending(three, 2, at[2], customer="ctm_1"),
        rows.movement(three, 3, at[3], kind="reactivation", customer="ctm_1"),
    ]
    await store_rolled(database, history, rolled, ZoneInfo("UTC"))
    await _now(database, history, rolled)


def _levels(lines: list[Line], ledger: Ledger, times: int = 1) -> None:
    """What there is at the end of each step is all that came before."""
    level: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for (_, split, currency), amount in ledger.opening.items():
        level[split, currency] += amount
    for number, step in enumerate(ledger.steps):
        for (_, split, currency), amount in step.items():
            level[split, currency] += amount
        found = {(line.split, line.currency): line.cells[number].value for line in lines}
        assert {key: value for key, value in found.items() if value} == {
            key: value * times for key, value in level.items() if value
        }
    for line in lines:
        assert line.total.value == line.cells[-1].value


def _changes(lines: list[Line], ledger: Ledger, kinds: tuple[str, ...]) -> None:
    """Each change is what the rows say, and they add up exactly."""
    found = {(line.series, line.split, line.currency): line for line in lines}
    for key, line in found.items():
        if key[0] in kinds:
            values = [step.get(key, 0) for step in ledger.steps]
            assert [cell.value for cell in line.cells] == values
            assert line.total.value == sum(values)
    for split, currency in {key[1:] for key in found}:
        theirs = {name: found[name, split, currency] for name in ("start", *kinds, "end")}
        for number in range(len(ledger.steps)):
            start, *moved, end = (line.cells[number].value for line in theirs.values())
            assert (start or 0) + sum(each or 0 for each in moved) == end
        start, *moved, end = (line.total.value for line in theirs.values())
        assert (start or 0) + sum(each or 0 for each in moved) == end
    assert {key for step in (ledger.opening, *ledger.steps) for key in step} <= found.keys()


def _rates(churn: list[Line], mrr: list[Line], oracle: Oracle, split: str) -> None:
    """Of the whole period: parts and denominators, whether or not there are enough of them."""
    readers, money = oracle.readers(split), oracle.money(split, "recurring")
    for line in churn:
        came = _sum(readers.steps, line, ("new", "reactivated"))
        start = _sum([readers.opening], line, WAYS)
        ways = (line.series,) if line.series.endswith("voluntary") else ("voluntary", "involuntary")
        assert line.total.part == -_sum(readers.steps, line, ways)
        assert line.total.whole == start + (came if line.series == "with_new" else 0)
    for line in mrr:
        lost = -_sum(money.steps, line, ("contraction", "churn_voluntary", "churn_involuntary"))
        regained = _sum(money.steps, line, ("expansion", "reactivation"))
        start = _sum([money.opening], line, KINDS)
        gone = lost if line.series.startswith("gross") else lost - regained
        if start > 0 and line.series in {"gross", "net"}:
            assert line.total.value == gone / start
        if start > 0 and line.series.endswith("_retained"):
            assert line.total.value == 1 - gone / start


def _sum(
    steps: list[dict[tuple[str, str, str], Fraction]], line: Line, kinds: tuple[str, ...]
) -> Fraction:
    return sum(
        (
            step.get((kind, line.split, line.currency), Fraction(0))
            for step in steps
            for kind in kinds
        ),
        Fraction(0),
    )


async def test_a_step_begins_with_its_midnight_and_ends_before_the_next(database: Database) -> None:
    """In Lisbon, at summer time since 29 March: 1 April began at 23:00 in UTC."""
    offer, hour = rows.offer(), timedelta(hours=1)
    midnight = datetime(2026, 3, 31, 23, tzinfo=UTC)
    for number, at in enumerate((midnight - hour, midnight, midnight + 24 * hour)):
        bought = rows.subscription(rows.reader(), offer)
        await store(database, rows.movement(bought, 1, at, customer=f"ctm_{number}"))
    first = await lines_of(
        database, "joined-and-left", asked("2026-03-31", "2026-04-01", "day", now=LATER)
    )
    found = values(first)
    assert found["new", "", ""] == [1, 1, 2]
    assert found["end", "", ""] == [1, 2, 2]
    second = values(await lines_of(database, "mrr", asked("2026-04-01", "2026-04-02", now=LATER)))
    assert second == {("all", "", "EUR"): [1800, 2700, 2700]}


async def test_a_switch_at_one_instant_is_neither_joining_nor_leaving(database: Database) -> None:
    """Another subscription begins when the first ends; then a third begins and ends at once."""
    offer = rows.offer()
    first, second, third = (rows.subscription(rows.reader(), offer) for _ in range(3))
    day = timedelta(days=1)
    await store(
        database,
        rows.movement(first, 1, NOW - 9 * day),
        rows.ending(first, 2, NOW - 5 * day),
        rows.movement(second, 1, NOW - 5 * day, kind="expansion"),
        rows.ending(second, 2, NOW - 3 * day, kind="churn_involuntary"),
        rows.movement(third, 1, NOW - day, kind="reactivation"),
        rows.ending(third, 2, NOW - day),
    )
    found = totals(
        await lines_of(database, "joined-and-left", asked("2026-03-01", "2026-03-31", now=LATER))
    )
    assert {name: cell.value for name, cell in found.items() if cell.value} == {
        "new": 1, "involuntary": -1,
    }  # fmt: skip


async def test_what_has_not_begun_is_no_figure(database: Database) -> None:
    offer = rows.offer()
    bought = rows.subscription(rows.reader(), offer)
    await store(database, rows.movement(bought, 1, NOW - timedelta(days=1)))
    what = asked("2026-03-09", "2026-03-12", "day", now=NOW)
    (line,) = await lines_of(database, "mrr", what)
    assert [cell.value for cell in line.cells] == [900, 900, None, None]
    assert {cell.why for cell in line.cells[2:]} == {"This interval hasn't started."}
    assert line.total.value == 900


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("split", asked("2026-03-01", "2026-03-02", split="section")),
        ("section", asked("2026-03-01", "2026-03-02", section="culture")),
    ],
)
async def test_a_split_that_the_figure_does_not_know_is_refused(
    database: Database, field: str, wrong: Asked
) -> None:
    with pytest.raises(NotAsked) as refused:
        await lines_of(database, "mrr", wrong)
    assert refused.value.field == field


async def test_filters_choose_what_counts(database: Database) -> None:
    """Splitting and filtering by the plan say the same."""
    for number, plan in enumerate(("digital", "digital", "weekend")):
        offer = rows.offer(plan=plan)
        bought = rows.subscription(rows.reader(), offer)
        await store(
            database, rows.movement(bought, 1, NOW - timedelta(days=1), customer=f"ctm_{number}")
        )
    days = ("2026-03-01", "2026-03-10", "month")
    split = values(await lines_of(database, "active-subscribers", asked(*days, split="plan")))
    only = values(await lines_of(database, "active-subscribers", asked(*days, plan="digital")))
    assert split == {("all", "digital", ""): [2, 2], ("all", "weekend", ""): [1, 1]}
    assert only == {("all", "", ""): [2, 2]}
