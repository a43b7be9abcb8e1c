"""The newsletter's box at sign-in: a consent once the mailbox has answered, with its wording."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from service.account.merge import verified_account
from service.db.session import Database
from service.db.tables import Consent
from service.identity.consents import record_newsletter
from service.identity.email import checked_address
from service.identity.readers import create_reader
from service.settings import Settings
from tests.account.signing import ANA, ask, by_code, confirm, rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.mailbox import newest_mail

WORDING = "Send me the Gazette's letter on Saturdays"


@pytest.fixture
async def asking(
    database: Database, mailing: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """A publication that offers a newsletter."""
    offering = mailing.model_copy(update={"newsletter_wording": WORDING})
    async with inside(database, offering, clocks) as made:
        yield made


async def test_it_is_recorded_when_the_mail_is_used(asking: Paywall) -> None:
    assert (await ask(asking, newsletter=True)).status_code == 202
    assert await rows(asking, Consent) == []
    mail = await newest_mail(asking.database, ANA)
    assert (await confirm(asking, token=mail.token)).status_code == 200
    (consent,) = await rows(asking, Consent)
    me = (await asking.client.get("/v1/me")).json()
    assert (consent.reader_id, consent.purpose) == (me["id"], "newsletter")
    assert (consent.given, consent.wording, consent.place) == (True, WORDING, "sign-in")
    assert consent.at == asking.clocks.business()


@on_sqlite
async def test_who_wasnt_asked_agreed_to_nothing(asking: Paywall) -> None:
    await by_code(asking)
    assert await rows(asking, Consent) == []


async def test_answers_are_added_and_never_changed(asking: Paywall) -> None:
    """What is said with the code replaces what was said with the address."""
    await ask(asking, newsletter=False)
    mail = await newest_mail(asking.database, ANA)
    assert (await confirm(asking, token=mail.token, newsletter=True)).status_code == 200
    await by_code(asking, newsletter=False)
    given = [each.given for each in sorted(await rows(asking, Consent), key=lambda row: row.at)]
    assert given == [True, False]


@on_sqlite
@pytest.mark.parametrize(("asks", "kept"), [(True, ["checkout"]), (False, [])])
async def test_what_a_stranger_ticked_at_checkout_is_nobodys_consent(
    database: Database, clocks: MovingClocks, asks: bool, kept: list[str]
) -> None:
    """A buyer who asks for the mail in the same browser is the one who reads it."""
    async with database.transaction() as session:
        buyer = await create_reader(session, email=ANA, clocks=clocks)
        await record_newsletter(
            session, buyer.id, given=True, wording=WORDING, at=clocks.business(), place="checkout"
        )
        buyers = [buyer.id] if asks else []
        account = await verified_account(session, checked_address(ANA), buyers, clocks)
        stored = list(await session.scalars(select(Consent).where(Consent.reader_id == account.id)))
    assert (account.id == buyer.id) is asks
    assert [each.place for each in stored] == kept


@on_sqlite
async def test_a_publication_without_a_newsletter_asks_nobody(mailed: Paywall) -> None:
    refused = await ask(mailed, newsletter=True)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.newsletter"
    assert "checkbox" not in (await mailed.client.get("/account/sign-in")).text


@on_sqlite
async def test_the_page_has_a_box_that_isnt_ticked(asking: Paywall) -> None:
    page = (await asking.client.get("/account/sign-in")).text
    box = '<input type="checkbox" name="newsletter" value="true"> Send me the Gazette&#39;s letter'
    assert box in page
    form = {"email": ANA, "newsletter": "true"}
    assert (await asking.client.post("/account/sign-in/request", data=form)).status_code == 303
    mail = await newest_mail(asking.database, ANA)
    used = await asking.client.post("/account/sign-in", data={"token": mail.token})
    assert used.status_code == 303
    assert [each.given for each in await rows(asking, Consent)] == [True]
