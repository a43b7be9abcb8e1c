"""However many confirm at once, over however many instances: one session, and five codes compared."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from itertools import cycle, islice
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from service.db.base import Base
from service.db.session import Database
from service.db.tables import Reader, ReaderSession, SignInRequest
from service.identity.readers import create_reader
from service.identity.sessions import end_sessions_of, open_session
from service.settings import Settings
from tests.account.visitor import Visitor, client_of
from tests.conftest import MovingClocks
from tests.inside import inside
from tests.mailbox import newest_mail, sign_in_mails

ANA = "ana@gazette.example"
MANY = 30


@pytest.fixture
async def instances(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """Clients of two instances on one PostgreSQL, in different networks; SQLite has one process."""
    async with AsyncExitStack() as stack:
        made = []
        for n in range(2 if database.dialect == "postgresql" else 1):
            paywall = await stack.enter_async_context(inside(database, mailing, clocks))
            client = client_of(paywall.app, mailing, f"203.0.{n}.7")
            made.append(await stack.enter_async_context(client))
        yield made


def visitors(
    clients: Iterable[httpx2.AsyncClient], like: Visitor, count: int = MANY
) -> list[Visitor]:
    """The same browser many times, or the same app, by turns at each instance."""
    return [
        Visitor(client, like.settings, like.kind, like.device)
        for client in islice(cycle(clients), count)
    ]


async def count(database: Database, table: type[Base]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def asked(
    clients: list[httpx2.AsyncClient], settings: Settings, database: Database
) -> tuple[Visitor, str, str, str]:
    """A browser that asked, with the request's id, the link's secret and the code."""
    visitor = Visitor(clients[0], settings)
    request_id = (await visitor.ask(ANA)).json()["request_id"]
    mail = await newest_mail(database, ANA)
    return visitor, request_id, mail.token, mail.code


@pytest.mark.parametrize("by", ["link", "code"])
async def test_many_confirmations_of_one_mail_open_one_session(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database, by: str
) -> None:
    visitor, request_id, link, code = await asked(instances, mailing, database)
    what: dict[str, Any] = {"token": link}
    if by == "code":
        what = {"request_id": request_id, "code": code}
    answers = await asyncio.gather(*(each.confirm(**what) for each in visitors(instances, visitor)))
    # Of codes ten an hour are looked at: the others hear that they were too many.
    assert {answer.status_code for answer in answers} <= {200, 403, 429}
    opened = [answer for answer in answers if answer.status_code == 200]
    assert len(opened) == 1
    cookies = [a for a in answers if "pw_session" in a.headers.get("Set-Cookie", "")]
    assert cookies == opened
    assert await count(database, ReaderSession) == 1
    assert await count(database, Reader) == 1
    assert (await visitor.me(visitor.handed(opened[0]))).json()["email"] == ANA


async def test_link_and_code_of_one_mail_at_once_open_one_session(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database
) -> None:
    visitor, request_id, link, code = await asked(instances, mailing, database)
    answers = await asyncio.gather(
        *(
            each.confirm(**({"token": link} if n % 2 else {"request_id": request_id, "code": code}))
            for n, each in enumerate(visitors(instances, visitor, 20))
        )
    )
    assert [answer.status_code for answer in answers].count(200) == 1
    assert await count(database, ReaderSession) == 1


async def test_mails_to_one_new_address_used_at_once_make_one_account(
    instances: list[httpx2.AsyncClient],
    mailing: Settings,
    database: Database,
    clocks: MovingClocks,
) -> None:
    """A used mail ends the older ones: of those that come too late none opens anything."""
    browsers = visitors(instances, Visitor(instances[0], mailing), 4)
    for each in browsers:
        await each.ask(ANA)
        clocks.travel(timedelta(seconds=1))
    mails = await sign_in_mails(database)
    confirming = zip(browsers, mails, strict=True)
    answers = await asyncio.gather(*(each.confirm(token=mail.token) for each, mail in confirming))
    opened = [answer.status_code for answer in answers].count(200)
    assert {answer.status_code for answer in answers} <= {200, 403}
    assert 1 <= opened == await count(database, ReaderSession)
    assert await count(database, Reader) == 1


async def test_of_many_wrong_codes_at_once_five_are_compared(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database
) -> None:
    visitor, request_id, link, code = await asked(instances, mailing, database)
    guesses = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, MANY + 1)]
    answers = await asyncio.gather(
        *(
            each.confirm(request_id=request_id, code=guess)
            for each, guess in zip(visitors(instances, visitor), guesses, strict=True)
        )
    )
    assert {answer.status_code for answer in answers} <= {403, 429}
    async with database.reading() as session:
        assert await session.scalar(select(SignInRequest.tries)) == 5
    # The right code comes too late, in its own browser as well; the link isn't guessed by this.
    late = await visitor.confirm(request_id=request_id, code=code)
    assert late.status_code in {403, 429}
    assert await count(database, ReaderSession) == 0
    assert (await visitor.confirm(token=link)).status_code == 200


async def test_the_right_code_among_many_wrong_ones_signs_in_once_or_not_at_all(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database
) -> None:
    visitor, request_id, _, code = await asked(instances, mailing, database)
    guesses = [f"{(int(code) + n % 10) % 1_000_000:06}" for n in range(30)]
    answers = await asyncio.gather(
        *(
            each.confirm(request_id=request_id, code=guess)
            for each, guess in zip(visitors(instances, visitor, 30), guesses, strict=True)
        )
    )
    signed_in = [answer.status_code for answer in answers].count(200)
    assert signed_in == await count(database, ReaderSession) <= 1


async def test_ten_codes_an_hour_over_requests_and_networks_at_once(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database
) -> None:
    """Five mails leave twenty-five tries; ten are granted, from any address."""
    asking = visitors(instances, Visitor(instances[0], mailing), 5)
    requests = [(await each.ask(ANA)).json()["request_id"] for each in asking]
    codes = {mail.code for mail in await sign_in_mails(database)}
    wrong = next(code for n in range(10) if (code := f"{n:06}") not in codes)
    answers = await asyncio.gather(
        *(
            each.confirm(request_id=request_id, code=wrong)
            # In turn: a mail's sixth try would use up one of the ten.
            for _ in range(5)
            for each, request_id in zip(asking, requests, strict=True)
        )
    )
    async with database.reading() as session:
        tried = await session.scalar(select(func.sum(SignInRequest.tries)))
    assert tried == 10
    assert {answer.status_code for answer in answers} <= {403, 429}
    assert 429 in {answer.status_code for answer in answers}


async def test_a_link_that_is_scanned_many_times_signs_in_still(
    instances: list[httpx2.AsyncClient], mailing: Settings, database: Database
) -> None:
    visitor, _, link, _ = await asked(instances, mailing, database)
    scanner = Visitor(instances[0], mailing)
    for _ in range(15):
        for method in ("GET", "HEAD"):
            seen = await scanner.call(method, f"/account/sign-in?token={link}")
            assert seen.status_code == 200
            assert "pw_session" not in seen.headers.get("Set-Cookie", "")
    assert (await visitor.confirm(token=link)).status_code == 200


async def test_signing_out_everywhere_while_devices_sign_in_waits_for_no_one_for_ever(
    mailing: Settings, database: Database, clocks: MovingClocks
) -> None:
    """Both end several sessions: in turn, or each would hold what the other wants."""
    one_device = mailing.model_copy(update={"devices_per_reader": 1})
    async with database.transaction() as session:
        reader_id = (await create_reader(session, email=None, clocks=clocks)).id

    async def sign_in(settings: Settings) -> None:
        async with database.transaction() as session:
            await open_session(session, reader_id=reader_id, now=clocks.wall(), settings=settings)

    async def sign_out() -> None:
        async with database.transaction() as session:
            await end_sessions_of(session, reader_id, clocks.wall(), "signed_out")

    for _ in range(10):
        for _ in range(5):
            clocks.travel(timedelta(seconds=1))
            await sign_in(mailing)
        await asyncio.gather(
            *(each() for _ in range(4) for each in (sign_out, partial(sign_in, one_device)))
        )
