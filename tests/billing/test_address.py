"""Another address for a reader: both mailboxes answer, or an operator says so; Stripe follows."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select

from service.account.address import change_by_operator
from service.db.tables import Mail, Reader
from service.identity import address_changes
from service.identity.cookies import cookie_name
from service.identity.readers import create_reader
from service.identity.sessions import open_session
from service.problems import Problem
from tests.billing.desk import Desk, service_at
from tests.databases import on_sqlite

pytestmark = on_sqlite
OLD, NEW = "ana@example.org", "ana.silva@example.org"


@dataclass
class Ana:
    """A reader with a confirmed address and a customer at Stripe, in her browser."""

    desk: Desk
    id: str
    customer: str
    browser: httpx2.AsyncClient

    async def asks(self, email: str) -> httpx2.Response:
        return await self.browser.post("/v1/me/address", json={"email": email})

    async def links(self) -> dict[str, str]:
        """The secret of the link mailed to each address last."""
        async with self.desk.database.reading() as session:
            found = await session.execute(
                select(Mail.recipient, Mail.text)
                .where(Mail.kind == "address-change")
                .order_by(Mail.created_at)
            )
            return {to: re.findall(r"token=([\w-]+)", text)[0] for to, text in found}

    async def opens(self, link: str) -> httpx2.Response:
        """In the browser of somebody who reads the mailbox."""
        self.browser.cookies.clear()
        return await self.browser.post("/v1/me/address/confirm", json={"token": link})

    async def row(self) -> Reader:
        async with self.desk.database.reading() as session:
            return await session.get_one(Reader, self.id)

    @property
    def email_at_stripe(self) -> str:
        return str(self.desk.stripe.customers.retrieve(self.customer).email)


@contextlib.asynccontextmanager
async def ana_at(desk: Desk, *, verified: bool = True) -> AsyncIterator[Ana]:
    desk = replace(desk, settings=desk.settings.model_copy(update={"mail_from": "a@example.org"}))
    reader_id, customer = await desk.reader(OLD)
    async with desk.database.transaction() as session:
        reader = await session.get_one(Reader, reader_id)
        if verified:
            reader.verified_key, reader.email_verified_at = OLD, desk.clocks.business()
        opened = await open_session(
            session, reader_id=reader_id, now=desk.clocks.wall(), settings=desk.settings
        )
    async with service_at(desk) as browser:
        browser.cookies.set(cookie_name("session", desk.settings), opened.token)
        yield Ana(desk, reader_id, customer, browser)


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_it_changes_once_both_mailboxes_have_answered(desk: Desk, first: str) -> None:
    async with ana_at(desk) as ana:
        assert (await ana.asks(NEW)).json() == {"state": "waiting"}
        links = await ana.links()
        assert set(links) == {OLD, NEW}
        for _ in range(2):  # the same mailbox twice is one
            assert (await ana.opens(links[first])).json() == {"state": "waiting"}
        assert (await ana.row()).verified_key == OLD
        second = NEW if first == OLD else OLD
        assert (await ana.opens(links[second])).json() == {"state": "changed"}
        row = await ana.row()
        assert (row.email, row.email_key, row.verified_key) == (NEW, NEW, NEW)
        await desk.hear()
        assert ana.email_at_stripe == NEW
        assert (await ana.opens(links[second])).status_code == 403


async def test_a_changed_address_is_no_new_registration(desk: Desk) -> None:
    async with ana_at(desk) as ana:
        registered = (await ana.row()).email_verified_at
        await ana.asks(NEW)
        desk.clocks.travel(timedelta(hours=1))
        for link in (await ana.links()).values():
            await ana.opens(link)
        row = await ana.row()
        assert (row.verified_key, row.email_verified_at) == (NEW, registered)
        await change_by_operator(desk.context, reader_id=ana.id, email=OLD, actor="Olga")
        row = await ana.row()
        assert (row.verified_key, row.email_verified_at) == (OLD, registered)


async def test_an_address_that_an_operator_gives_registers_a_reader(desk: Desk) -> None:
    reader_id, _ = await desk.reader(OLD)
    await change_by_operator(desk.context, reader_id=reader_id, email=NEW, actor="Olga")
    async with desk.database.reading() as session:
        reader = await session.get_one(Reader, reader_id)
    assert reader.email_verified_at == desk.clocks.business()


async def test_what_isnt_changed(desk: Desk) -> None:
    async with ana_at(desk) as ana:
        refused = (("no address", "invalid-email"), *[(OLD.upper(), "invalid-request")] * 3)
        for email, why in refused:  # none of them counts against the limit
            answer = await ana.asks(email)
            assert answer.json()["type"] == f"/problems/{why}"
        async with desk.database.transaction() as session:
            other = await create_reader(session, email=NEW, clocks=desk.clocks)
            other.verified_key, other.email_verified_at = NEW, desk.clocks.business()
        # Nobody but its owner is told that the address is taken.
        assert (await ana.asks(NEW)).json() == {"state": "waiting"}
        first = await ana.links()
        assert (await ana.asks(NEW)).status_code == 202
        last = await ana.links()
        assert (await ana.opens(first[OLD])).status_code == 403  # a later wish replaces it
        assert (await ana.opens(last[OLD])).json() == {"state": "waiting"}
        taken = await ana.opens(last[NEW])
        assert (taken.status_code, taken.json()["type"]) == (409, "/problems/address-taken")
        desk.clocks.travel(address_changes.LIFE)
        assert (await ana.opens(last[NEW])).status_code == 403
        assert (await ana.row()).verified_key == OLD
        assert ana.email_at_stripe == OLD


async def test_a_buyer_confirms_an_address_first(desk: Desk) -> None:
    async with ana_at(desk, verified=False) as ana:
        refused = await ana.asks(NEW)
        assert (refused.status_code, "Confirm an address first" in refused.text) == (422, True)


async def test_an_operator_changes_it_for_a_lost_mailbox(desk: Desk) -> None:
    async with ana_at(desk) as ana:
        await change_by_operator(ana.desk.context, reader_id=ana.id, email=NEW, actor="Olga")
        assert (await ana.row()).verified_key == NEW
        assert (await ana.browser.get("/v1/me")).status_code == 401  # signed out everywhere
        await desk.hear()
        assert ana.email_at_stripe == NEW
        assert ("Olga", "reader.change-address", ana.id) in await desk.audited()
        async with desk.database.reading() as session:
            told = await session.scalars(
                select(Mail.recipient).where(Mail.kind == "address-changed")
            )
            assert list(told) == [OLD]
        other, _ = await desk.reader("bo@example.org")
        for reader_id, email, why in (
            (other, NEW, "address-taken"), ("rdr_none", NEW, "not-found"), (other, "x", "invalid-email"),
        ):  # fmt: skip
            with pytest.raises(Problem) as refused:
                await change_by_operator(
                    desk.context, reader_id=reader_id, email=email, actor="Olga"
                )
            assert refused.value.slug == why


async def test_the_pages_lead_through_it(desk: Desk) -> None:
    async with ana_at(desk) as ana:
        page = (await ana.browser.get("/account")).text
        assert 'action="/account/address"' in page
        asked = await ana.browser.post("/account/address", data={"email": NEW})
        assert "We have e-mailed links to your current and your new address." in asked.text
        links = await ana.links()
        shown = await ana.browser.get("/account/address", params={"token": links[OLD]})
        assert links[OLD] in shown.text
        said = [
            (await ana.browser.post("/account/address/confirm", data={"token": link})).text
            for link in (links[OLD], links[NEW], links[NEW])
        ]
        for page, words in zip(
            said, ("the e-mail to the other address", "address has been changed", "This link has expired"),
            strict=True,
        ):  # fmt: skip
            assert words in page
