"""Where the database answers late or not at all, walls don't wait, and nothing counts as certain that isn't known."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import cast

import httpx2
import pytest
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.answers import Answered, UnlockAnswers
from service.access.gathering import Gathering
from service.access.gifts import Gifts
from service.access.hot_unlock import HotUnlock
from service.access.openings import Openings
from service.access.read import Opened, ReadRequest
from service.access.schemas import UnlockIn
from service.access.unlock import Unlocking
from service.content.cache import ArticleCache
from service.db.context import Context, context_in
from service.db.failures import database_unavailable
from service.db.session import Database
from service.encoded import replied
from service.grants.institution_reads import InstitutionReads
from service.grants.institution_schemas import InstitutionIn
from service.grants.institutions import put_institution
from service.grants.places import InstitutionNetworks
from service.grants.trust import TRUSTED
from service.identity.callers import Caller
from service.identity.reader_uses import ReaderUses
from service.identity.touches import Touch
from service.metering.meter import Metering
from service.offers.on_sale import OnSale
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import Running
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.statements import statements

pytestmark = on_sqlite
INSIDE = ip_address("192.0.2.7")


class Disturbed(Database):
    """A database before whose answers something happens."""

    def __init__(self, url: str, before: Callable[[], Awaitable[object]]) -> None:
        super().__init__(url)
        self._before = before

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        await self._before()
        async with super().reading() as session:
            yield session


def disturbed(paywall: Paywall, before: Callable[[], Awaitable[object]]) -> Context:
    return Context(paywall.settings, paywall.clocks, Disturbed(paywall.database.url, before))


class FailingGifts(Gifts):
    async def refresh(self, session: AsyncSession) -> None:  # noqa: ARG002 as in its base
        raise database_unavailable()


class SlowGifts(Gifts):
    """The database takes longer for them than a memory is trusted."""

    async def refresh(self, session: AsyncSession) -> None:
        await super().refresh(session)
        clocks = self._context.clocks
        assert isinstance(clocks, MovingClocks)
        clocks.travel(TRUSTED * 2)


class Process:
    """What another process that serves the same readers has in memory: nothing at first."""

    def __init__(self, paywall: Paywall, context: Context, gifts: type[Gifts] = Gifts) -> None:
        self.gifts = gifts(context, paywall.app.running.get(Gifts).key)
        self.networks = InstitutionNetworks()
        self.openings = Openings(context, self.gifts, self.networks)


async def agree(paywall: Paywall) -> None:
    """The library's networks open everything."""
    agreed = {"name": "City Library", "plan": "digital", "networks": ["192.0.2.0/24"]}
    answer = await paywall.client.put(
        "/v1/admin/institutions/city-library", json=agreed, headers=paywall.staff
    )
    assert answer.status_code == 200


async def given(paywall: Paywall) -> str:
    """A gift link's token."""
    await paywall.publish("paid", access={"level": "subscribers"})
    await paywall.sign_in("everything")
    made = (await paywall.client.post("/v1/articles/paid/gift-links")).json()
    return httpx2.URL(made["url"]).params["gift"]


async def come(paywall: Paywall, gift: str) -> str:
    """A friend opens the article by the link; its id."""
    async with paywall.new_client() as friend:
        answer = await friend.post("/v1/articles/paid/unlock", json={"gift": gift})
    assert answer.json()["reason"] == "gift"
    return str(answer.json()["article"]["id"])


async def test_what_a_slow_database_answers_is_learnt_though_nobody_waited_for_it(
    paywall: Paywall,
) -> None:
    article, answers = await come(paywall, await given(paywall)), asyncio.Event()
    await agree(paywall)
    process = Process(paywall, disturbed(paywall, answers.wait))
    assert not process.openings.are_certain()
    paywall.clocks.travel(timedelta(seconds=5))
    await process.openings.make_certain()
    assert not process.openings.are_certain(), "nothing has been answered"
    answers.set()
    await process.openings.make_certain()
    await process.openings.refresh()
    assert process.openings.are_certain()
    assert process.gifts.opened(article)
    assert process.networks.at(INSIDE)


async def test_without_an_answer_no_process_is_ready_and_no_wall_fails(paywall: Paywall) -> None:
    asked = 0

    async def fail() -> None:
        nonlocal asked
        asked += 1
        raise database_unavailable()

    process = Process(paywall, disturbed(paywall, fail))
    with pytest.raises(Problem, match="database-unavailable"):
        await process.openings.refresh()
    for _ in range(5):
        await process.openings.make_certain()
        assert not process.openings.are_certain()
    assert asked == 1, "it isn't asked for each wall"
    paywall.clocks.travel(TRUSTED)
    await process.openings.make_certain()
    assert asked == 2


async def test_what_a_slow_look_saw_is_certain_to_those_who_came_before_it(
    paywall: Paywall,
) -> None:
    await agree(paywall)
    process = Process(paywall, context_in(paywall.app.running), SlowGifts)
    assert await process.openings.make_certain(), "it began after the caller had come"
    assert process.networks.at(INSIDE)
    assert not process.openings.are_certain(), "to a caller who comes now it is too old"
    process = Process(paywall, context_in(paywall.app.running), FailingGifts)
    assert not await process.openings.make_certain()


async def test_gift_links_that_fail_keep_no_network_closed(paywall: Paywall) -> None:
    await agree(paywall)
    process = Process(paywall, context_in(paywall.app.running), FailingGifts)
    await process.openings.make_certain()
    assert not process.openings.are_certain()
    assert process.networks.at(INSIDE)


class LateSession:
    """A session whose answer comes only once a friend has opened the link."""

    def __init__(self, session: AsyncSession, paywall: Paywall, gift: str) -> None:
        self.session, self.paywall, self.gift = session, paywall, gift
        self.article = ""

    async def scalars(self, statement: Select[str]) -> Sequence[str]:
        found = (await self.session.scalars(statement)).all()
        self.article = await come(self.paywall, self.gift)
        return found


@pytest.mark.parametrize("look", [Gifts.refresh, Gifts.read_all])
async def test_what_is_opened_here_while_the_database_is_asked_is_kept(
    paywall: Paywall, look: Callable[[Gifts, AsyncSession], Awaitable[None]]
) -> None:
    gift, gifts = await given(paywall), paywall.app.running.get(Gifts)
    async with paywall.database.reading() as session:
        late = LateSession(session, paywall, gift)
        await look(gifts, cast("AsyncSession", late))
    assert gifts.opened(late.article)


async def test_no_wall_waits_until_all_links_have_been_read(paywall: Paywall) -> None:
    await come(paywall, await given(paywall))
    openings = paywall.app.running.get(Openings)
    paywall.clocks.travel(timedelta(hours=2))
    with statements() as seen:
        await openings.make_certain()
    assert openings.are_certain()
    links = [each for each in seen if "FROM gift_links" in each]
    assert len(links) == 1
    assert "opened_at >=" in links[0], "what is new is asked for, and nothing else"


async def test_what_is_learnt_while_a_read_is_decided_makes_no_older_look_certain(
    paywall: Paywall,
) -> None:
    """The reader's grants are read between the look at the networks and the wall."""
    await paywall.publish("paid", access={"level": "subscribers"})
    reader, running = await paywall.sign_in(), paywall.app.running
    process = Process(paywall, context_in(running))
    await process.openings.refresh()
    context = disturbed(paywall, process.openings.refresh)
    metering, reads = (
        running.get(Metering),
        InstitutionReads(process.networks, paywall.settings.zone),
    )
    gathering = Gathering(
        context, metering, running.get(RuleBook), process.networks, process.openings
    )
    unlocking = Unlocking(
        context, gathering, metering, running.get(OnSale), process.gifts, reads, ReaderUses()
    )
    article = await running.get(ArticleCache).get(paywall.database, "paid")
    assert article is not None
    await agree(paywall)
    paywall.clocks.travel(TRUSTED)
    read = ReadRequest(
        article, Caller(reader_id=reader, verified=True), None, address=lambda: INSIDE
    )
    assert isinstance(await unlocking.unlock(read, Touch()), Opened)


class CountedAnswers(UnlockAnswers):
    """How often something was decided, instead of said again."""

    def __init__(self, own: UnlockAnswers) -> None:
        self.own = own
        self.times = 0

    async def answer(self, read: ReadRequest, wanted: UnlockIn, referrer: str | None) -> Answered:
        self.times += 1
        return await self.own.answer(read, wanted, referrer)


async def test_a_remembered_wall_waits_to_be_certain_and_is_not_decided_again(
    paywall: Paywall,
) -> None:
    running = paywall.app.running
    device = (await paywall.unlock("a")).json()["device_token"]
    for slug in "bc":
        await paywall.unlock(slug)
    await paywall.client.get("/v1/articles/d")  # it is in memory from now on
    answers = CountedAnswers(running.get(UnlockAnswers))
    others = (each for each in running.parts if not isinstance(each, UnlockAnswers))
    hot, openings = HotUnlock(Running(*others, answers)), running.get(Openings)
    headers = {b"paywall-device": device.encode(), b"content-type": b"application/json"}

    async def reason() -> object:
        scope = {
            "type": "http", "method": "POST", "path": "/v1/articles/d/unlock", "app": paywall.app,
            "headers": [*headers.items()], "client": (str(INSIDE), 1),
        }  # fmt: skip
        answer = await replied(partial(hot.answer, scope, headers, b"{}"))
        assert answer is not None
        return json.loads(answer.body)["reason"]

    assert [await reason(), await reason()] == ["meter_exhausted"] * 2
    assert answers.times == 1
    paywall.clocks.travel(TRUSTED)
    assert not openings.are_certain()
    assert [await reason() for _ in range(3)] == ["meter_exhausted"] * 3
    assert answers.times == 1, "it waited for the look at the database and was given again"
    assert openings.are_certain()
    async with paywall.database.transaction() as session:
        # As another process stores it.
        terms = InstitutionIn(name="Library", plan="digital", networks=("192.0.2.0/24",)).terms()
        await put_institution(session, context_in(running), "library", terms, actor="test")
    paywall.clocks.travel(TRUSTED)
    assert await reason() == "institution", "what the look saw while it waited counts"
