"""Trials: counted again in plain Python from random rows, on both databases and in several zones."""

from dataclasses import dataclass, replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import (
    Offer,
    Reader,
    Subscription,
)
from service.finance.trials import forget_trials
from service.reports.trial_rollup import look_up_trials
from tests.reports import rows
from tests.reports.figures_asked import lines_of, store
from tests.reports.ledger_histories import (
    BEGIN,
)
from tests.reports.lists_behind import lists_agree
from tests.reports.recounting import DAY, HOUR, Days, by_series, hours, periods, played
from tests.reports.rolled import context_in
from tests.reports.sampled import sampled

SOME = sampled(2)


@dataclass(frozen=True)
class Trial:
    """`outcome` what became of it, `after` how many hours after the trial's end, or before it if below 0.

    `given`: it is no trial, but free time in the middle of a subscription.
    """

    start: int
    days: int
    outcome: str
    after: int
    is_yearly: bool

    @property
    def began(self) -> datetime:
        return BEGIN + self.start * HOUR

    @property
    def trial_end(self) -> datetime:
        return self.began + self.days * DAY

    @property
    def over(self) -> datetime:
        """When the trial ended: early if the subscription did."""
        gone = self.trial_end + self.after * HOUR
        return min(self.trial_end, gone) if self.outcome in {"lost", "left"} else self.trial_end

    @property
    def became(self) -> str:
        """Active alone is pending: nothing was charged yet."""
        return {"charged": "paid", "left": "paid", "lost": "lost"}.get(self.outcome, "pending")

    def rows(self, offer: Offer) -> list[Base]:
        reader = rows.reader()
        gone = self.outcome in {"lost", "left"}
        # Who paid once stays converted, whatever came afterwards.
        ended_at = self.trial_end + self.after * HOUR if gone else None
        status = {
            "lost": "canceled", "left": "canceled", "charged": "active", "given": "active",
        }.get(self.outcome, self.outcome)  # fmt: skip
        bought = rows.subscription(
            reader, offer, status=status, started_at=self.began, trial_end=self.trial_end,
            ended_at=ended_at, interval="year" if self.is_yearly else "month",
        )  # fmt: skip
        found: list[Base] = [reader, bought]
        at = self.trial_end
        if self.outcome in {"left", "given"}:
            told = "subscription.trial_paid" if self.outcome == "left" else "subscription.renewed"
            found.append(rows.told(reader, told, at, subject_id=bought.id))
        if self.outcome == "charged":
            found.append(rows.invoice(bought, created_at=at, paid_at=at + HOUR))
        if self.outcome == "given":
            found.append(rows.movement(bought, 1, self.began))
        return found


trials = st.lists(
    st.builds(
        lambda start, days, outcome, after, is_yearly: Trial(
            start, days, outcome, abs(after) if outcome == "left" else after, is_yearly
        ),
        hours, st.integers(1, 20), st.sampled_from(["active", "charged", "left", "lost", "past_due", "unpaid", "given"]),
        st.integers(-24, 200), st.booleans(),
    ),
    min_size=5, max_size=40,
)  # fmt: skip


def test_trials(database_url: str) -> None:
    @SOME
    @given(
        history=trials, days=periods,
        looked_up=st.sampled_from(["never", "before the rest", "and again"]),
    )  # fmt: skip
    def play(history: list[Trial], days: Days, looked_up: str) -> None:
        async def compare(database: Database) -> None:
            offer = rows.offer()
            made = [row for each in history for row in each.rows(offer)]
            first = [each for each in made if isinstance(each, Reader | Subscription)]
            context = context_in(database, days.zone)
            await store(database, offer, *first)
            if looked_up != "never":
                await look_up_trials(context)
            await store(database, *(each for each in made if each not in first))
            async with database.transaction() as session:
                await forget_trials(session, select(Subscription.id))
            if looked_up == "and again":
                await look_up_trials(context)
            for split in ("", "interval_charged"):
                await _agree(database, history, days, split)

        played(compare, database_url)

    play()


async def _agree(database: Database, history: list[Trial], days: Days, split: str) -> None:
    what = replace(days.asked(), split=split)
    found = by_series(await lines_of(database, "trial-conversion", what))
    await lists_agree(database, "trial-conversion", what)
    for value in ("month", "year") if split else ("",):
        theirs = [
            each for each in history
            if each.outcome != "given" and (not value or each.is_yearly == (value == "year"))
        ]  # fmt: skip
        nothing = [0] * (days.count + 1)
        for name in ("paid", "lost", "pending"):
            expected = days.tallied(each.over for each in theirs if each.became == name)
            assert found.get((name, value), nothing) == expected, name
        ended = days.tallied(each.over for each in theirs)
        assert found.get(("ended", value), nothing) == ended
