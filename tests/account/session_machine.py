"""Readers' sessions under any order of events: a state machine against the oracle's rules.

Everything goes through the application's HTTP layer. After each step: no wrong sign-out, and nothing
alive that should be dead. `test_sessions_model.py` runs some of it, `make soak` any number of steps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import SecretStr

from service.content.cache import ArticleCache
from service.db.session import Database
from service.settings import Settings
from tests.account.session_oracle import Family
from tests.account.session_steps import Steps
from tests.account.visitor import Visitor, client_of
from tests.conftest import MovingClocks
from tests.inside import inside

BROWSERS, APPS = 6, 2
DAY = 86_400.0
MAILS = tuple(f"{name}@gazette.example" for name in ("ana", "bo", "cleo", "dan", "eve"))
AROUND_THE_GRACE = (0.0, 5.0, 29.9, 30.1, 61.0, 89.9, 90.1, 130.0)
PASSING = (*AROUND_THE_GRACE, 400.0, 660.0, 3700.0, DAY, 8 * DAY, 29.9 * DAY, 31 * DAY)
SET_BACK = (1.0, 29.0, 31.0, 600.0, 3700.0, 4 * 3600.0)
small = st.integers(0, 40)
visitors = st.integers(0, BROWSERS + APPS - 1)
ways = st.sampled_from(["read", "cookie", "body"])


def has_families(machine: "SessionMachine") -> bool:
    return bool(machine.steps.oracle.families)


def has_mails(machine: "SessionMachine") -> bool:
    return bool(machine.steps.asked)


@asynccontextmanager
async def started(database_url: str) -> AsyncIterator[Steps]:
    """An application on a new database, with browsers and apps in front of it."""
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
        insecure_cookies=True,
        publication="gazette",
        mail_from="Gazette <hello@gazette.example>",
        sign_in_mails_per_hour=0,
        sign_in_requests_per_hour=0,
        # What runs in the background otherwise is called where the steps say so.
        background_interval_seconds=60,
    )
    database = Database(settings.database_url)
    async with inside(database, settings, MovingClocks()) as paywall:
        await paywall.publish("a", access={"level": "free"})
        await paywall.app.running.get(ArticleCache).refresh(database)
        # Clocks that are set back must not come to before the article was published.
        paywall.clocks.travel(timedelta(days=2))
        async with client_of(paywall.app, settings) as client:
            browsers = [Visitor(client, settings) for _ in range(BROWSERS)]
            apps = [Visitor(client, settings, "app") for _ in range(APPS)]
            yield Steps(paywall, [*browsers, *apps])
    await database.dispose()


class SessionMachine(RuleBasedStateMachine):
    """Subclasses say by `new_database` where each example's new, migrated database is."""

    new_database: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        start = self.stack.enter_async_context(started(type(self).new_database()))
        self.steps = self.runner.run(start)

    def run(self, doing: Coroutine[Any, Any, None]) -> None:
        self.runner.run(doing)

    def teardown(self) -> None:
        try:
            self.run(self.steps.check_all())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    def family(self, nth: int) -> Family:
        """The nth session from the newest: mostly of those that live, but any now and then."""
        families = self.steps.oracle.families
        live = [each for each in families if each.is_live(self.steps.now)]
        chosen = live if live and nth % 4 else families
        return chosen[-1 - nth // 4 % len(chosen)]

    @rule(who=visitors, mail=st.sampled_from(MAILS))
    def ask(self, who: int, mail: str) -> None:
        self.run(self.steps.ask(who, mail))

    @precondition(has_mails)
    @rule(nth=small, who=visitors, by_code=st.booleans())
    def confirm(self, nth: int, who: int, by_code: bool) -> None:
        asked = self.steps.asked[-1 - nth % len(self.steps.asked)]
        self.run(self.steps.confirm(asked, who, by_code=by_code))

    @rule(who=visitors, mail=st.sampled_from(MAILS), by_code=st.booleans())
    def sign_in(self, who: int, mail: str, by_code: bool) -> None:
        self.run(self.steps.ask(who, mail))
        self.run(self.steps.confirm(self.steps.asked[-1], who, by_code=by_code))

    @rule(first=visitors, mail=st.sampled_from(MAILS))
    def sign_in_on_six_devices(self, first: int, mail: str) -> None:
        for n in range(first, first + 6):
            self.sign_in(n % (BROWSERS + APPS), mail, by_code=False)
            self.steps.paywall.clocks.travel(timedelta(milliseconds=1))

    @rule(who=visitors, mail=st.sampled_from((None, *MAILS)))
    def buy(self, who: int, mail: str | None) -> None:
        self.run(self.steps.buy(who, mail))

    @rule(who=visitors, other=visitors, mail=st.sampled_from(MAILS), asks=st.booleans())
    def buy_and_confirm(self, who: int, other: int, mail: str, asks: bool) -> None:
        """The buyer's browser asks for the mail, or any other does; another one uses the link."""
        self.buy(who, mail)
        self.run(self.steps.ask(who if asks else other, mail))
        self.run(self.steps.confirm(self.steps.asked[-1], other, by_code=False))

    @rule(who=visitors, lost=st.booleans())
    def refresh(self, who: int, lost: bool) -> None:
        self.run(self.steps.refresh(who, lost=lost))

    @precondition(has_families)
    @rule(
        nth=small,
        count=st.integers(2, 20),
        back=st.lists(st.integers(0, 2), min_size=1, max_size=3),
    )
    def refresh_in_parallel(self, nth: int, count: int, back: list[int]) -> None:
        """By the present token (0) or by former ones too."""
        family = self.family(nth)
        last = len(family.generations) - 1
        generations = [max(0, last - back[n % len(back)]) for n in range(count)]
        self.run(self.steps.burst(family, generations))

    @precondition(has_families)
    @rule(nth=small, back=st.integers(0, 3), way=ways)
    def use_a_copy(self, nth: int, back: int, way: str) -> None:
        """Somebody else, or a tab that slept, has a token of some generation."""
        family = self.family(nth)
        self.run(self.steps.replay(family, max(0, len(family.generations) - 1 - back), way))

    @precondition(has_families)
    @rule(nth=small, seconds=st.sampled_from(AROUND_THE_GRACE), back=st.integers(0, 2), way=ways)
    def come_back_with_a_former_token(self, nth: int, seconds: float, back: int, way: str) -> None:
        """The grace is short, so that chance alone seldom meets it."""
        family = self.family(nth)
        self.run(self.steps.replay(family, len(family.generations) - 1, "cookie"))
        self.steps.paywall.clocks.travel(timedelta(seconds=seconds))
        self.run(self.steps.replay(family, max(0, len(family.generations) - 1 - back), way))

    @precondition(has_families)
    @rule(nth=small, way=ways, where=st.integers(0, 90))
    def make_up_a_token(self, nth: int, way: str, where: int) -> None:
        token = self.family(nth).generations[-1]
        at = where % len(token)
        made_up = f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}"
        self.run(self.steps.refused(made_up, way))

    @rule(who=visitors)
    def sign_out(self, who: int) -> None:
        self.run(self.steps.sign_out(who, "/v1/session"))

    @rule(who=visitors)
    def sign_out_everywhere(self, who: int) -> None:
        self.run(self.steps.sign_out(who, "/v1/sessions"))

    @precondition(has_families)
    @rule(who=visitors, nth=small)
    def sign_out_another(self, who: int, nth: int) -> None:
        self.run(self.steps.sign_out(who, "/v1/sessions/", self.family(nth)))

    @rule(who=visitors)
    def erase(self, who: int) -> None:
        self.run(self.steps.erase(who))

    @rule(seconds=st.sampled_from(PASSING))
    def let_time_pass(self, seconds: float) -> None:
        self.steps.paywall.clocks.travel(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from(SET_BACK))
    def set_the_clock_back(self, seconds: float) -> None:
        self.steps.set_clock_back(seconds)

    @rule()
    def rotate_keys(self) -> None:
        self.run(self.steps.rotate_keys())

    @rule(nth=small)
    def revoke_a_key(self, nth: int) -> None:
        self.run(self.steps.revoke_key(nth))

    @invariant()
    def nobody_is_wrongly_signed_out_and_nothing_dead_lives(self) -> None:
        # No two steps at one instant: which session was used last is then never a matter of chance.
        self.steps.paywall.clocks.travel(timedelta(milliseconds=1))
        self.run(self.steps.check())
