"""Nobody learns from an answer who has an account; `make bench` compares the times."""

import json

import httpx2
import pytest

from service.account.erase import erase_reader
from service.db.context import Context
from service.db.tables import Reader
from service.identity.email import email_key
from service.identity.operators import create_operator
from service.identity.readers import create_reader
from tests.account.visitor import Kind, Visitor, client_of
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail
from tests.passwords import QUICK

pytestmark = on_sqlite

KINDS = ("known", "provisional", "erased", "unknown")


async def populate(paywall: Paywall, visitor: Visitor) -> None:
    """A reader of each kind, named after it."""
    for name in ("known", "erased"):
        await visitor.ask(address(name))
        mail = await newest_mail(paywall.database, address(name))
        await visitor.confirm(token=mail.token)
    me = await visitor.me()
    await erase_reader(
        Context(paywall.settings, paywall.clocks, paywall.database), None, reader_id=me.json()["id"],
        cancel_subscription=True,
    )  # fmt: skip
    async with paywall.database.transaction() as session:
        await create_reader(session, email=address("provisional"), clocks=paywall.clocks)
    async with paywall.database.reading() as session:
        erased = await session.get_one(Reader, me.json()["id"])
        assert erased.erased_at is not None


def address(kind: str) -> str:
    # All of one length, for no other reason may answers differ in theirs.
    text = f"{kind:x<12}@gazette.example"
    assert email_key(text) == text
    return text


def shape(answer: httpx2.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """The answer in bytes, with random values replaced by their lengths."""
    text = answer.text
    random = [v for k, v in answer.json().items() if k in {"request_id", "device_token"}]
    for value in random:
        text = text.replace(value, f"<{len(value)}>")
    heads = []
    for name, value in answer.headers.multi_items():
        if name == "x-request-id":
            heads.append((name, str(len(value))))
        elif name == "set-cookie":
            cookie, _, rest = value.partition(";")
            heads.append((name, f"{cookie.partition('=')[0]}={len(cookie)};{rest}"))
        else:
            heads.append((name, value))
    return answer.status_code, text.encode(), heads


@pytest.mark.parametrize("kind", ["browser", "app"])
async def test_asking_for_a_mail_tells_nothing(mailed: Paywall, kind: Kind) -> None:
    async with client_of(mailed.app, mailed.settings) as client:
        await populate(mailed, Visitor(client, mailed.settings))
        new = {
            each: shape(await Visitor(client, mailed.settings, kind).ask(address(each)))
            for each in KINDS
        }
        assert len(set(map(str, new.values()))) == 1, new
        assert new["known"][0] == 202
        # The same in a browser that has been here before, and for an address asked for twice.
        visitor = Visitor(client, mailed.settings, kind)
        await visitor.ask("somebody.else@gazette.example")
        again = {each: shape(await visitor.ask(address(each))) for each in KINDS}
        assert len(set(map(str, again.values()))) == 1, again
        # And once too many mails are on their way.
        full = {}
        for each in KINDS:
            for _ in range(6):
                answer = await visitor.ask(address(each))
            full[each] = (answer.status_code, answer.json()["type"], answer.headers["Retry-After"])
        assert set(full.values()) == {(429, "/problems/too-many-requests", "3600")}


async def test_the_staffs_sign_in_tells_nothing(mailed: Paywall) -> None:
    async with mailed.database.transaction() as session:
        await create_operator(
            session, email="known@gazette.example", password="correct horse battery", role="viewer",
            now=mailed.clocks.wall(), passwords=QUICK,
        )  # fmt: skip
    answers = {}
    for who in ("known", "other"):
        form = {"email": f"{who}@gazette.example", "password": "wrong horse battery"}
        async with mailed.new_client() as browser:
            answer = await browser.post("/admin/sign-in", data=form)
        heads = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
        answers[who] = (answer.status_code, answer.text.replace(who, "?"), json.dumps(heads))
    assert answers["known"] == answers["other"]
    assert answers["known"][0] == 401
