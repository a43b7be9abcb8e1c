"""A source sends its rights while a reader claims one, or confirms an address."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from service.account import address
from service.account.address import change_by_operator
from service.db.context import Context
from service.db.session import Database
from service.grants import right_claims
from service.grants.rights import Rights
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.grants.test_right_claims import CLAIM, MINE, arrive, unlock
from tests.inside import Paywall, inside
from tests.interleaving import amid

RIGHTS = "/v1/admin/entitlements/print"
SENT = {"plan": "digital", "account_number": "KD-4711", "postcode": "1000-001"}
WITHOUT_IT = "reference,plan,email\nKD-2,digital,bo@example.org\n"
ENDING: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "taken back": ("DELETE", "/KD", None),
    "no longer on the list": ("POST", "/import", {"csv": WITHOUT_IT}),
    "for another account": ("PUT", "/KD", {**SENT, "account_number": "KD-1"}),
    "for another one on the list": (
        "POST", "/import",
        {"csv": "reference,plan,account_number,postcode\nKD,digital,KD-1,1000-001\n"},
    ),
}  # fmt: skip
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    allowing = settings.model_copy(update={"rights_by_account": True, "rights_provisional_days": 7})
    async with inside(database, allowing, clocks) as made:
        await made.publish("premium", access={"level": "subscribers"})
        yield made


async def send(
    paywall: Paywall, method: str, path: str, json: dict[str, Any] | None
) -> httpx2.Response:
    answer = await paywall.client.request(
        method, f"{RIGHTS}{path}", json=json, headers=paywall.staff
    )
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("ending", ENDING.values(), ids=ENDING)
async def test_what_is_taken_away_while_it_is_claimed_opens_nothing(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch, ending: tuple[Any, ...]
) -> None:
    await send(paywall, "PUT", "/KD", SENT)
    browser = await arrive(paywall, "ana")
    sent = amid(monkeypatch, Rights, "bind", paywall.database, lambda: send(paywall, *ending))
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "open"
    await sent[0]
    assert await unlock(browser) == "subscribers_only"


async def test_what_is_sent_while_it_is_claimed_is_the_readers(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await arrive(paywall, "ana")
    sent = amid(
        monkeypatch,
        right_claims,
        "put_grant",
        paywall.database,
        lambda: send(paywall, "PUT", "/KD", SENT),
    )
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "provisional"
    assert (await sent[0]).json()["bound_by"] == "account"


async def test_what_is_sent_while_its_address_is_confirmed_is_the_readers(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await arrive(paywall, "ana")
    reader_id = (await browser.get("/v1/me")).json()["id"]
    right = {"plan": "digital", "email": "new@example.org"}
    sent = amid(
        monkeypatch,
        address,
        "give_by_domain",
        paywall.database,
        lambda: send(paywall, "PUT", "/KD", right),
    )
    context = Context(paywall.settings, paywall.clocks, paywall.database)
    await change_by_operator(context, reader_id=reader_id, email="new@example.org", actor="tests")
    assert (await sent[0]).json()["bound_by"] == "email"
