"""Refresh tokens rotate: one successor for every caller, an end for copies, and never a wrong sign-out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import product

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import ReaderSession
from service.identity.sessions import open_session
from service.rules.document import of_settings
from service.settings import Settings
from tests.account.visitor import Kind, Visitor, client_of
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.mailbox import newest_mail

SECOND = timedelta(seconds=1)
ANA = "ana@gazette.example"


@pytest.fixture
async def instances(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> AsyncIterator[list[Paywall]]:
    """Two instances of the application on one PostgreSQL; SQLite has one serving process."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(inside(database, mailing, clocks))
            for _ in range(2 if database.dialect == "postgresql" else 1)
        ]


@pytest.fixture
async def mailed(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """Without articles, which take longer to publish than most of these tests."""
    unlimited = mailing.model_copy(update={"sign_in_mails_per_hour": 0})
    async with inside(database, unlimited, clocks) as made:
        yield made


@pytest.fixture
async def visitor(mailed: Paywall) -> AsyncIterator[Visitor]:
    """A browser that has just signed in."""
    async with client_of(mailed.app, mailed.settings) as client:
        yield await signed_in(mailed, Visitor(client, mailed.settings))


async def signed_in(paywall: Paywall, visitor: Visitor, email: str = ANA) -> Visitor:
    assert (await visitor.ask(email)).status_code == 202
    mail = await newest_mail(paywall.database, email)
    assert (await visitor.confirm(token=mail.token)).status_code == 200
    paywall.clocks.travel(SECOND)
    return visitor


def as_app(visitor: Visitor) -> Visitor:
    return Visitor(visitor.client, visitor.settings, "app", visitor.device, visitor.token)


async def reason(paywall: Paywall, token: str) -> str | None:
    """Why the token's session has ended; None: it lives."""
    async with paywall.database.reading() as session:
        row = await session.get_one(ReaderSession, token.partition(".")[0])
    return row.end_reason


@on_sqlite
async def test_the_former_token_has_thirty_seconds_by_whichever_clock(
    mailed: Paywall, visitor: Visitor
) -> None:
    """Once its successor is in use. Another instance's clock may be a minute ahead of the one that
    rotated.
    """
    cases = [(0, True), (29.9, True), (89.9, True), (90, False), (90.1, False), (86_400, False)]
    for (seconds, alive), way in product(cases, ("exchange", "read")):
        await signed_in(mailed, visitor)
        former = visitor.token
        successor = visitor.handed(await visitor.refresh())
        assert successor is not None
        assert successor != former
        assert (await visitor.me(successor)).status_code == 200
        mailed.clocks.travel(timedelta(seconds=seconds))
        answer = await (visitor.refresh(former) if way == "exchange" else visitor.me(former))
        assert answer.status_code == (200 if alive else 401), (seconds, way)
        if alive and way == "exchange":
            assert visitor.handed(answer) == successor
        # The caller who reused it late holds a copy, or somebody else does: the family has ended.
        assert (await visitor.me(successor)).status_code == (200 if alive else 401)
        assert await reason(mailed, successor) == (None if alive else "reused")


async def test_a_successor_that_nobody_has_used_is_got_again_however_late(
    mailed: Paywall, visitor: Visitor
) -> None:
    """The answer with it was lost: the parent goes on reading, and gets it again days later."""
    for kind, used_by in product(("browser", "app"), ("read", "exchange")):
        each = await signed_in(mailed, Visitor(visitor.client, mailed.settings, kind))  # type: ignore[arg-type]
        parent = each.token
        mailed.clocks.travel(31 * SECOND)
        lost = each.handed(await each.refresh())
        for days in (0.01, 1, 20):
            mailed.clocks.travel(timedelta(days=days))
            if kind == "browser":
                assert (await each.me(parent)).status_code == 200
            assert each.handed(await each.refresh(parent)) == lost
        # As soon as the successor is shown, the parent is a copy like any other.
        if used_by == "read" and kind == "browser":
            assert (await each.me(lost)).status_code == 200
        else:
            assert (await each.refresh(lost)).status_code == 200
        mailed.clocks.travel(91 * SECOND)
        assert (await each.refresh(parent)).status_code == 401
        assert lost is not None
        assert await reason(mailed, lost) == "reused"


@on_sqlite
async def test_an_access_token_says_that_the_answer_with_it_has_arrived(
    mailed: Paywall, visitor: Visitor
) -> None:
    """Apps show nothing else between two exchanges: a thief in step with one is found out."""
    await mailed.publish("paid")
    app = as_app(visitor)
    stolen = app.token
    for _ in range(2):
        mailed.clocks.travel(timedelta(minutes=5))
        answer = await app.refresh()
        app.token = app.handed(answer)
        read = await app.bearing(answer.json()["access_token"], "/v1/articles/paid/access")
        assert read.status_code == 200
    mailed.clocks.travel(91 * SECOND)
    thief = Visitor(visitor.client, mailed.settings, "app", token=stolen)
    assert (await thief.refresh()).status_code == 401
    assert app.token is not None
    assert await reason(mailed, app.token) == "reused"


@on_sqlite
async def test_a_thief_beside_an_app_ends_the_session_at_the_first_late_try(
    mailed: Paywall, visitor: Visitor
) -> None:
    await mailed.publish("paid")
    app = as_app(visitor)
    stolen = app.token
    answer = await app.refresh()
    app.token = app.handed(answer)
    await app.bearing(answer.json()["access_token"], "/v1/articles/paid/access")
    mailed.clocks.travel(timedelta(minutes=2))
    thief = Visitor(visitor.client, mailed.settings, "app", token=stolen)
    assert (await thief.refresh()).status_code == 401
    assert (await app.refresh()).status_code == 401


@on_sqlite
async def test_who_holds_both_is_found_out(mailed: Paywall, visitor: Visitor) -> None:
    """A thief of the parent gets the unused successor too: the second one to exchange it ends the family."""
    stolen = visitor.token
    visitor.token = visitor.handed(await visitor.refresh())
    mailed.clocks.travel(timedelta(days=2))
    thief = Visitor(visitor.client, mailed.settings, token=stolen)
    thief.token = thief.handed(await thief.refresh())
    assert thief.token == visitor.token
    mailed.clocks.travel(31 * SECOND)
    thief.token = thief.handed(await thief.refresh())
    assert (await thief.me()).status_code == 200
    mailed.clocks.travel(91 * SECOND)
    assert (await visitor.refresh()).status_code == 401
    assert (await thief.me()).status_code == 401


@on_sqlite
async def test_a_grandparent_ends_the_family_though_nobody_used_the_successor(
    mailed: Paywall, visitor: Visitor
) -> None:
    grandparent = visitor.token
    visitor.token = visitor.handed(await visitor.refresh())
    mailed.clocks.travel(31 * SECOND)
    unused = visitor.handed(await visitor.refresh())
    mailed.clocks.travel(timedelta(days=1))
    assert (await visitor.refresh(grandparent)).status_code == 401
    assert unused is not None
    assert await reason(mailed, unused) == "reused"


@on_sqlite
async def test_a_new_token_stays_for_thirty_seconds(mailed: Paywall, visitor: Visitor) -> None:
    for seconds, anew in ((0, False), (29.9, False), (30, True), (30.1, True)):
        await signed_in(mailed, visitor)
        present = visitor.handed(await visitor.refresh())
        mailed.clocks.travel(timedelta(seconds=seconds))
        again = visitor.handed(await visitor.refresh(present))
        assert (again != present) == anew, seconds
        assert (await visitor.me(again)).status_code == 200


@on_sqlite
async def test_an_older_generation_ends_its_family_and_no_other(
    mailed: Paywall, visitor: Visitor
) -> None:
    other = await signed_in(mailed, Visitor(visitor.client, mailed.settings))
    oldest = visitor.token
    for _ in range(2):
        visitor.token = visitor.handed(await visitor.refresh())
        mailed.clocks.travel(31 * SECOND)
    visitor.token = visitor.handed(await visitor.refresh())
    # Within the grace of the rotation just made, too.
    assert (await visitor.refresh(oldest)).status_code == 401
    assert (await visitor.me()).status_code == 401
    assert (await other.me()).status_code == 200
    assert other.token is not None
    assert await reason(mailed, other.token) is None


def altered(token: str) -> list[str]:
    """Everything that isn't the token, though it looks like it."""
    session, secret, mac = token.split(".")
    flipped = "B" if secret[0] == "A" else "A"
    return [
        f"{session}.{flipped}{secret[1:]}.{mac}",
        f"{session}.{secret}.{'A' * 22}",
        f"{session}.{secret}.{mac[:-1]}",
        f"{session}.{secret}.{mac}A",
        f"{session}.{secret}.{mac}=",
        f"{session}.{secret}",
        f"{session}..{mac}",
        f"{session}.{secret}.{mac[:-1]}{'A' if mac[-1] != 'A' else 'Q'}",
        f"ses_{'0' * 24}.{secret}.{mac}",
        f"{session.upper()}.{secret}.{mac}",
        session,
        secret,
        token[:-10],
        f"{token}.{mac}",
        token.swapcase(),
    ]


@on_sqlite
async def test_made_up_tokens_open_nothing_and_end_nothing(
    mailed: Paywall, visitor: Visitor
) -> None:
    assert visitor.token is not None
    for token in altered(visitor.token):
        assert (await visitor.refresh(token)).status_code == 401, token
        assert (await as_app(visitor).refresh(token)).status_code == 401, token
        assert (await visitor.me(token)).status_code == 401, token
    assert await reason(mailed, visitor.token) is None
    assert (await visitor.me()).status_code == 200


@on_sqlite
async def test_tokens_of_another_installation_end_nothing(
    mailed: Paywall, visitor: Visitor
) -> None:
    assert visitor.token is not None
    secret = SecretStr("another-secret-key-of-enough-length-too")
    foreign = mailed.settings.model_copy(update={"secret_key": secret})
    async with mailed.database.transaction() as session:
        row = await session.get_one(ReaderSession, visitor.token.partition(".")[0])
        opened = await open_session(
            session, reader_id=row.reader_id, now=mailed.clocks.wall(), settings=foreign
        )
    assert (await visitor.refresh(opened.token)).status_code == 401
    assert (await visitor.me(opened.token)).status_code == 401
    assert await reason(mailed, opened.token) is None
    assert (await visitor.me()).status_code == 200


@pytest.mark.parametrize("kind", ["browser", "app"])
async def test_many_parallel_refreshes_get_one_successor(
    instances: list[Paywall], kind: Kind
) -> None:
    async with AsyncExitStack() as stack:
        tabs = [
            Visitor(
                await stack.enter_async_context(client_of(each.app, each.settings)),
                each.settings,
                kind,
            )
            for each in instances
        ]
        reader = await signed_in(instances[0], tabs[0])
        calls = (tabs[n % len(tabs)].refresh(reader.token) for n in range(30))
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        successors = {reader.handed(answer) for answer in answers}
        assert len(successors) == 1
        assert reader.token not in successors
        reader.token = successors.pop()
        assert (await reader.me()).status_code == 200


@on_sqlite
async def test_a_browser_gets_cookies_and_an_app_gets_bodies(
    mailed: Paywall, visitor: Visitor
) -> None:
    mailed.clocks.travel(31 * SECOND)
    answer = await visitor.refresh()
    assert "refresh_token" not in answer.json()
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("pw_session=")
    assert "HttpOnly" in cookie
    app = await signed_in(mailed, Visitor(visitor.client, mailed.settings, "app"), "bo@a.example")
    answer = await app.refresh()
    assert answer.json()["refresh_token"]
    assert "pw_session" not in answer.headers.get("Set-Cookie", "")
    # An app's token beside a browser's cookie: the body counts, and the cookie stays as it is.
    visitor.token = visitor.handed(await visitor.refresh(visitor.token))
    both = await visitor.call("POST", "/v1/session/token", {"refresh_token": app.token})
    assert both.json()["refresh_token"]
    assert "pw_session" not in both.headers.get("Set-Cookie", "")


@on_sqlite
async def test_confirming_hands_the_session_over_once(mailed: Paywall, visitor: Visitor) -> None:
    for each in (visitor, as_app(visitor)):
        await each.ask(ANA)
        mail = await newest_mail(mailed.database, ANA)
        answer = await each.confirm(token=mail.token)
        assert ("refresh_token" in answer.json()) == (each.kind == "app")
        assert ("pw_session" in answer.headers.get("Set-Cookie", "")) == (each.kind == "browser")
        mailed.clocks.travel(SECOND)


@on_sqlite
async def test_a_planted_session_becomes_nobodys(mailed: Paywall, visitor: Visitor) -> None:
    """Fixation: the attacker's session and device are in the browser in which the victim signs in."""
    attacker = visitor
    victim = Visitor(attacker.client, mailed.settings, "browser", attacker.device, attacker.token)
    planted = attacker.token
    await signed_in(mailed, victim, "victim@gazette.example")
    assert victim.token != planted
    assert (await victim.me()).json()["email"] == "victim@gazette.example"
    # The planted token is neither the victim's session nor anybody's any more.
    assert planted is not None
    assert (await attacker.me(planted)).status_code == 401
    assert (await attacker.refresh(planted)).status_code == 401
    # The shared device by itself signs nobody in.
    alone = Visitor(attacker.client, mailed.settings, "browser", attacker.device)
    assert (await alone.call("GET", "/v1/me")).status_code == 401
    assert (await alone.call("POST", "/v1/session/token")).status_code == 401


@on_sqlite
async def test_a_planted_device_opens_no_other_session(mailed: Paywall, visitor: Visitor) -> None:
    """The attacker signs in on the device that the victim is signed in on: two readers, two sessions."""
    attacker = Visitor(visitor.client, mailed.settings, "browser", visitor.device)
    await signed_in(mailed, attacker, "mallory@gazette.example")
    assert (await visitor.me()).json()["email"] == ANA
    assert (await attacker.me()).json()["email"] == "mallory@gazette.example"


@on_sqlite
async def test_a_clock_that_is_set_back_signs_nobody_out(mailed: Paywall, visitor: Visitor) -> None:
    for back in (1, 31, 3600, 12 * 3600):
        mailed.clocks.travel(timedelta(days=1))
        former = visitor.token
        visitor.token = visitor.handed(await visitor.refresh())
        mailed.clocks.travel(-back * SECOND)
        for token in (visitor.token, former, visitor.token):
            answer = await visitor.refresh(token)
            assert answer.status_code == 200, back
            assert visitor.handed(answer) == visitor.token
            assert (await visitor.me(token)).status_code == 200
        mailed.clocks.travel((back + 31) * SECOND)
        visitor.token = visitor.handed(await visitor.refresh())
        assert (await visitor.me()).status_code == 200


@on_sqlite
async def test_the_sixth_device_ends_the_one_unused_for_longest(
    mailed: Paywall, visitor: Visitor
) -> None:
    more = [Visitor(visitor.client, mailed.settings) for _ in range(4)]
    devices = [visitor, *[await signed_in(mailed, each) for each in more]]
    mailed.clocks.travel(timedelta(hours=2))
    assert (await devices[0].me()).status_code == 200
    await signed_in(mailed, Visitor(visitor.client, mailed.settings))
    assert [(await each.me()).status_code for each in devices] == [200, 401, 200, 200, 200]


@on_sqlite
async def test_an_editor_says_on_how_many_devices(mailed: Paywall, visitor: Visitor) -> None:
    rules = of_settings(mailed.settings).model_dump(mode="json") | {"devices": {"per_reader": 1}}
    saved = await mailed.client.put("/v1/admin/rules", json=rules, headers=mailed.staff)
    assert saved.status_code == 200, saved.text
    second = await signed_in(mailed, Visitor(visitor.client, mailed.settings))
    assert [(await each.me()).status_code for each in (visitor, second)] == [401, 200]


async def test_parallel_sign_ins_keep_to_the_limit(mailed: Paywall, visitor: Visitor) -> None:
    async with mailed.database.reading() as session:
        row = await session.get_one(ReaderSession, (visitor.token or "").partition(".")[0])

    async def open_one() -> None:
        async with mailed.database.transaction() as session:
            await open_session(
                session, reader_id=row.reader_id, now=mailed.clocks.wall(), settings=mailed.settings
            )

    await asyncio.gather(*(open_one() for _ in range(20)))
    async with mailed.database.reading() as session:
        live = await session.scalars(
            select(ReaderSession.id).where(
                ReaderSession.reader_id == row.reader_id, ReaderSession.ended_at.is_(None)
            )
        )
        assert len(list(live)) == mailed.settings.devices_per_reader
