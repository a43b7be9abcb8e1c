"""Random lives under chaos: a state machine that ends with what Stripe and the service must agree on."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from service.payments.gateway import GatewayUnavailable
from tests.billing.model.agreement import check
from tests.billing.model.changes import CARDS
from tests.billing.model.crashes import Killed
from tests.billing.model.lives import OFFERS, Lives

HOUR = 3600
DAY = 24 * HOUR
PASSING = (60, HOUR, 2 * HOUR, 20 * HOUR, 3 * DAY)
LONG = (12 * DAY, 16 * DAY, 31 * DAY, 45 * DAY)
REARRANGEMENTS = (
    "switch", "pause", "collect", "coupon", "coupon", "give_up", "special", "leave_us",
    "add_item", "remove_item",
)  # fmt: skip
buyers = st.integers(0, 3)
small = st.integers(0, 11)
strikes = st.none() | st.integers(1, 14)


class BillingMachine(RuleBasedStateMachine):
    """Subclasses say by `new_lives` how a history begins, and by `end` what is to be put away."""

    new_lives: ClassVar[Callable[[], Coroutine[Any, Any, Lives]]]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.lives: Lives = self.runner.run(type(self).new_lives())

    def go(self, step: Callable[[], Coroutine[Any, Any, None]], strike: int | None = None) -> None:
        """Run a step; with an even `strike` the process dies, with an odd one Stripe goes away."""
        error = Killed if strike is None or strike % 2 == 0 else GatewayUnavailable
        self.lives.fate.strike(strike, error)
        self.runner.run(self.lives.attempt(step))

    @initialize(cards=st.tuples(st.integers(0, len(CARDS) - 1), st.integers(0, len(CARDS) - 1)))
    def two_subscribers(self, cards: tuple[int, int]) -> None:
        """One with an account who comes back, and one without who doesn't."""
        for who, card in enumerate(cards):
            self.buy(who, 2 * who, card, back=1 - who, strike=None)

    @rule(
        who=buyers, offer=st.integers(0, len(OFFERS) - 1), card=st.integers(0, len(CARDS) - 1),
        back=st.integers(0, 2), strike=strikes,
    )  # fmt: skip
    def buy(self, who: int, offer: int, card: int, back: int, strike: int | None) -> None:
        self.go(lambda: self.lives.start(who, offer), strike if back == 1 else None)
        self.go(lambda: self.lives.pay(who, card))
        for _ in range(back):
            self.go(lambda: self.lives.come_back(who), strike)

    @rule(who=buyers, first=st.integers(0, 3), second=st.integers(0, 3), back=st.booleans())
    def buy_in_two_tabs(self, who: int, first: int, second: int, back: bool) -> None:
        """Two sessions are begun before any of them is paid: without cookies nobody can tell."""
        buyer = self.lives.buyers[who]
        held, known = buyer.claim, buyer.reader_id
        for offer in (first, second):
            buyer.claim, buyer.reader_id = None, None
            self.go(lambda offer=offer: self.lives.start(who, offer))  # type: ignore[misc]
        buyer.claim, buyer.reader_id = buyer.claim or held, known
        for nth in (-1, -2):
            self.go(lambda nth=nth: self.lives.pay(who, 0, nth=nth))  # type: ignore[misc]
            if back:
                self.go(lambda nth=nth: self.lives.come_back(who, nth=nth))  # type: ignore[misc]

    @rule(who=buyers, nth=small, strike=strikes)
    def come_back_again(self, who: int, nth: int, strike: int | None) -> None:
        self.go(lambda: self.lives.come_back(who, nth=nth), strike)

    @rule(who=buyers)
    def verify(self, who: int) -> None:
        self.go(lambda: self.lives.verify(who))

    @rule(who=buyers, strike=strikes)
    def erase(self, who: int, strike: int | None) -> None:
        self.go(lambda: self.lives.erase(who), strike)

    @rule(nth=small, more=small, how=st.sampled_from(("cancel", "resume")))
    def cancel_or_resume(self, nth: int, more: int, how: str) -> None:
        self.change(nth, how, more)

    @rule(nth=small, more=small)
    def refund(self, nth: int, more: int) -> None:
        self.change(nth, "refund", more)

    @rule(nth=small, more=small)
    def dispute(self, nth: int, more: int) -> None:
        self.change(nth, "dispute", more)

    @rule(nth=small, more=small)
    def give_another_card(self, nth: int, more: int) -> None:
        self.change(nth, "card", more)

    @rule(nth=small, more=small, how=st.sampled_from(REARRANGEMENTS))
    def rearrange(self, nth: int, more: int, how: str) -> None:
        self.change(nth, how, more)

    @rule(nth=small, more=small, how=st.sampled_from(("end", "delete", "archive")))
    def put_an_end_to(self, nth: int, more: int, how: str) -> None:
        self.change(nth, how, more)

    def change(self, nth: int, how: str, more: int) -> None:
        self.go(lambda: self.lives.change(nth, how, more))

    @rule(seconds=st.sampled_from(LONG), heard=st.none() | st.integers(0, 10_000))
    def skip_weeks(self, seconds: int, heard: int | None) -> None:
        self.pass_time(seconds)
        if heard is not None:
            self.hear(heard, None)

    @rule(nth=small, seconds=st.sampled_from(LONG), more=small, again=st.booleans())
    def fail_to_renew(self, nth: int, seconds: int, more: int, again: bool) -> None:
        """A card that can't pay, and time; perhaps another card, a void or an end then."""
        self.change(nth, "card", 2)
        self.pass_time(seconds)
        if again:
            self.change(nth, ("card", "give_up", "cancel", "card")[more % 4], more)

    @rule(seconds=st.sampled_from(PASSING))
    def pass_time(self, seconds: int) -> None:
        self.go(lambda: self.lives.pass_time(timedelta(seconds=seconds)))

    @rule(seed=st.integers(0, 10_000), strike=strikes)
    def hear(self, seed: int, strike: int | None) -> None:
        self.go(lambda: self.lives.deliver(seed), strike)
        self.go(self.lives.apply, strike)

    @rule(strike=strikes)
    def work(self, strike: int | None) -> None:
        self.go(lambda: self.lives.pass_time(timedelta(seconds=40)))
        self.go(self.lives.apply, strike)
        self.go(self.lives.look_late, strike)
        self.go(self.lives.remind, strike)

    @rule(strike=strikes)
    def reconcile(self, strike: int | None) -> None:
        self.go(self.lives.reconcile, strike)

    def teardown(self) -> None:
        try:
            self.runner.run(self.lives.settle())
            self.runner.run(check(self.lives))
        finally:
            self.runner.run(self.lives.database.dispose())
