"""Figures of leaving, on both databases."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from service.db.base import Base
from service.db.session import Database
from service.db.tables import MovementRow
from service.reports.asked import Asked
from service.reports.registry import FIGURES
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.figures_asked import asked, lines_of, store, totals, values
from tests.reports.lists_behind import lists_agree
from tests.reports.movement_histories import BEGIN, Oracle, Stayed, histories, stays
from tests.reports.rolled import Rolled, store_rolled, ways
from tests.reports.rows import NOW
from tests.reports.sampled import sampled

SOME = sampled(2)
LATER = BEGIN + timedelta(days=400)
DAY = timedelta(days=1)


def test_figures_are_what_the_rows_say(database_url: str) -> None:
    @SOME
    @given(
        history=histories(),
        start=st.sampled_from([0, 20, 45]),
        zone=st.sampled_from(["UTC", "America/Santiago"]),
        rolled=ways,
    )
    def play(history: list[MovementRow], start: int, zone: str, rolled: Rolled) -> None:
        first = BEGIN.date() + start * DAY
        last = date(2026, 4, 30)
        what = asked(str(first), str(last), "month", now=LATER, home=ZoneInfo(zone))
        oracle = Oracle(history, first, last, "month", ZoneInfo(zone))
        asyncio.run(_compare(database_url, what, oracle, rolled))

    play()


async def _compare(url: str, what: Asked, oracle: Oracle, rolled: Rolled) -> None:
    database = Database(url)
    try:
        await store_rolled(database, oracle.rows, rolled, what.home)
        stayed = stays(oracle.rows)
        left = [each for each in stayed if each.way in {"voluntary", "involuntary"}]
        for line in await lines_of(database, "tenure", what):
            assert [cell.value for cell in line.cells] == _by_step(
                oracle, [each for each in left if _tenure(each) == line.series]
            )
        lines = await lines_of(database, "reasons", what)
        for line in lines:
            expected = _by_step(oracle, [each for each in left if each.cause == line.series])
            assert [cell.value for cell in line.cells] == expected
            assert line.total.value == sum(expected)
        for line in await lines_of(database, "reasons", replace(what, split="tenure")):
            theirs = [e for e in left if (e.cause, _tenure(e)) == (line.series, line.split)]
            assert [cell.value for cell in line.cells] == _by_step(oracle, theirs)
        assert lines or not any(_by_step(oracle, left))
        for slug, split in (("tenure", ""), ("reasons", "tenure"), ("reasons", "plan")):
            await lists_agree(database, slug, replace(what, split=split))
        for chosen in ({}, {"plan": "weekend"}, {"interval_charged": "month", "currency": "EUR"}):
            await _cohorts(
                database, replace(what, chosen=chosen), oracle, _begun_with(oracle, chosen)
            )
            await lists_agree(database, "cohort-retention", replace(what, chosen=chosen))
    finally:
        await database.dispose()


def _by_step(oracle: Oracle, left: list[Stayed]) -> list[int]:
    steps = Counter(oracle.step(each.until) for each in left if each.until is not None)
    return [steps[number] for number in range(len(oracle.starts))]


def _tenure(stayed: Stayed) -> str:
    assert stayed.until is not None
    days = (stayed.until - stayed.since) / DAY
    return next((f"day_{n}" for n in (1, 7, 30, 100) if days <= n), "later")


async def _cohorts(database: Database, what: Asked, oracle: Oracle, stayed: list[Stayed]) -> None:
    """A reader counts in a month if on any of its instants they were active."""
    first: dict[str, int | None] = {}
    for each in sorted(stayed, key=lambda each: each.since):
        first.setdefault(each.customer, oracle.step(each.since))
    found = {line.split: line for line in await lines_of(database, "cohort-retention", what)}
    cohorts = {step for step in first.values() if step is not None and step >= 0}
    assert set(found) == {f"{oracle.starts[step]:%Y-%m}" for step in cohorts}
    for step in cohorts:
        members = {customer for customer, began in first.items() if began == step}
        cells = found[f"{oracle.starts[step]:%Y-%m}"].cells
        for number, cell in enumerate(cells):
            if number < step:
                assert cell.why == "The cohort hadn't paid yet."
                continue
            there = {
                each.customer for each in stayed
                if each.customer in members and _is_there(oracle, each, number)
            }  # fmt: skip
            assert (cell.part, cell.whole) == (len(there), len(members))


def _begun_with(oracle: Oracle, chosen: dict[str, str]) -> list[Stayed]:
    """The stays of readers who first paid for that."""
    stayed, theirs = stays(oracle.rows), set()
    for customer in {each.customer for each in stayed}:
        first = min(each.since for each in stayed if each.customer == customer)
        last: dict[str, MovementRow] = {}
        for row in sorted(oracle.rows, key=lambda each: each.number):
            if row.customer == customer and row.at == first:
                last[row.subscription_id] = row
        begun = min(
            (str(r.to_plan), str(r.to_interval), r.currency) for r in last.values() if r.to_plan
        )
        of = dict(zip(("plan", "interval_charged", "currency"), begun, strict=True))
        if all(of[name] == value for name, value in chosen.items()):
            theirs.add(customer)
    return [each for each in stayed if each.customer in theirs]


def _is_there(oracle: Oracle, stayed: Stayed, number: int) -> bool:
    """One that ends with a month's last instant isn't in the next month."""
    came = oracle.step(stayed.since)
    if came is None or came > number:
        return False
    if stayed.until is None:
        return True
    gone = oracle.step(stayed.until - timedelta(microseconds=1))
    return gone is None or gone >= number


async def test_a_cohort_by_hand(database: Database) -> None:
    """Of 20 who first paid in January 15 are there in February: 75 %. Of those who left one is back in
    March, where 5 more have left: (15 − 5 + 1) ÷ 20 = 55 %.
    """
    offer = rows.offer()
    january = NOW - 55 * DAY
    for number in range(20):
        bought = rows.subscription(rows.reader(), offer)
        chain = [rows.movement(bought, 1, january, customer=f"ctm_{number}")]
        if number < 5:
            # At midnight: the whole of January, and nothing of February.
            end = datetime(2026, 2, 1, tzinfo=UTC)
            chain.append(rows.ending(bought, 2, end, customer=f"ctm_{number}"))
        if number == 0:
            chain.append(rows.movement(bought, 3, NOW - DAY, customer="ctm_0", kind="reactivation"))
        if number >= 15:
            chain.append(rows.ending(bought, 2, january + 40 * DAY, customer=f"ctm_{number}"))
        await store(database, *chain)
    lines = await lines_of(database, "cohort-retention", asked("2026-01-01", "2026-03-31", "month"))
    assert values(lines) == {
        ("all", "2026-01", ""): [1, Fraction(15, 20), Fraction(11, 20), Fraction(11, 20)]
    }


async def test_the_last_instant_of_a_day_is_still_that_day(database: Database) -> None:
    offer = rows.offer()
    for number, lasted in enumerate((DAY, DAY + timedelta(seconds=1), 100 * DAY)):
        bought = rows.subscription(rows.reader(), offer)
        began, customer = NOW - DAY - lasted, f"ctm_{number}"
        await store(
            database,
            rows.movement(bought, 1, began, customer=customer),
            rows.ending(bought, 2, NOW - DAY, customer=customer),
        )
    found = totals(await lines_of(database, "tenure", asked("2026-03-01", "2026-03-31", "month")))
    assert {name: cell.value for name, cell in found.items() if cell.value} == {
        "day_1": 1, "day_7": 1, "day_100": 1,
    }  # fmt: skip


async def test_renewals(database: Database) -> None:
    """15 were renewed and 5 + 5 ended: 10 ÷ (10 + 15) = 40 %."""
    reader, offer = rows.reader(), rows.offer()
    at = NOW - DAY
    renewed = [rows.told(reader, "subscription.renewed", at) for _ in range(15)]
    ended = []
    for number in range(10):
        bought = rows.subscription(reader, offer)
        kind, cause = (
            ("churn_involuntary", "payment_failed")
            if number < 5
            else ("churn_voluntary", "voluntary")
        )
        ended += [
            rows.movement(bought, 1, at - 40 * DAY, customer=f"ctm_{number}"),
            rows.ending(bought, 2, at, customer=f"ctm_{number}", kind=kind, cause=cause),
        ]
    await store(database, reader, offer, *renewed, *ended)
    days = ("2026-03-01", "2026-03-31", "month")
    assert totals(await lines_of(database, "renewal-churn", asked(*days)))["all"].value == Fraction(
        10, 25
    )


async def test_a_trial_that_is_paid_is_no_renewal(database: Database) -> None:
    """25 trials are paid in February. In March 10 of them end and 15 are renewed: 10 ÷ (10 + 15) = 40 %, and
    the 10 had no renewal. By each paid invoice it would be 10 ÷ (10 + 40), each after one renewal.
    """
    offer, trial_end = rows.offer(), NOW - 32 * DAY
    found: list[Base] = [offer]
    for number in range(25):
        reader = rows.reader(pseudonym=f"ctm_{number}")
        bought = rows.subscription(
            reader, offer, started_at=trial_end - 14 * DAY, trial_end=trial_end
        )
        found += [
            reader, bought,
            rows.movement(bought, 1, trial_end, customer=f"ctm_{number}", cause="trial_ended"),
            rows.told(reader, "subscription.trial_paid", trial_end, subject_id=bought.id),
            rows.ending(bought, 2, NOW - DAY, customer=f"ctm_{number}", kind="churn_voluntary", cause="voluntary")
            if number < 10
            else rows.told(reader, "subscription.renewed", NOW - DAY, subject_id=bought.id),
        ]  # fmt: skip
    await store(database, *found)
    whole = asked("2026-02-01", "2026-03-31", "year")
    due = totals(await lines_of(database, "renewal-churn", whole))["all"]
    assert (due.value, due.part, due.whole) == (Fraction(10, 25), 10, 25)
    ends = totals(await lines_of(database, "ends-by-renewals", whole))
    assert {name: cell.value for name, cell in ends.items() if cell.value} == {"0": 10}


@on_sqlite
async def test_a_trials_payment_of_older_releases_is_a_renewal_as_the_definitions_say(
    database: Database,
) -> None:
    """They recorded it as one."""
    reader, offer, trial_end = rows.reader(), rows.offer(), NOW - 32 * DAY
    bought = rows.subscription(reader, offer, started_at=trial_end - 14 * DAY, trial_end=trial_end)
    await store(
        database, reader, offer, bought,
        rows.movement(bought, 1, trial_end, cause="trial_ended"),
        rows.told(reader, "subscription.renewed", trial_end, subject_id=bought.id),
        rows.ending(bought, 2, NOW - DAY, kind="churn_voluntary", cause="voluntary"),
    )  # fmt: skip
    whole = asked("2026-02-01", "2026-03-31", "year")
    due = totals(await lines_of(database, "renewal-churn", whole))["all"]
    assert (due.part, due.whole) == (1, 2)
    ends = totals(await lines_of(database, "ends-by-renewals", whole))
    assert {name: cell.value for name, cell in ends.items() if cell.value} == {"1": 1}
    said = "recorded before the service recorded first payments after trials separately count as renewals"
    told = {each.slug for each in FIGURES if said in each.meaning.definition}
    assert told == {"renewal-churn", "ends-by-renewals"}


@on_sqlite
async def test_cohorts_are_by_month(database: Database) -> None:
    (line,) = await lines_of(
        database, "cohort-retention", asked("2026-01-01", "2026-03-31", "week")
    )
    assert line.total.why == "This figure is monthly: choose the interval month."
