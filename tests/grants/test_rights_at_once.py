"""A source sends its rights while a reader claims one, or confirms an address."""

from asyncio import Task
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from service.account import address
from service.account.address import change_by_operator
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Right
from service.grants import right_claims, right_lists
from service.grants.right_readers import SentRight
from service.grants.right_turns import take_claims, take_source
from service.grants.rights import Rights, put_right
from service.grants.store import live_grants_of
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.grants.test_right_claims import CLAIM, MINE, arrive, unlock
from tests.inside import Paywall, inside
from tests.interleaving import amid, meanwhile

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
    sent = amid(monkeypatch, Rights, "store", paywall.database, lambda: send(paywall, *ending))
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "open"
    await sent[0]
    assert await unlock(browser) == "subscribers_only"


SENDING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "by itself": ("PUT", "/KD", {**SENT, "email": "new@example.org"}),
    "on a list": (
        "POST", "/import",
        {"csv": "reference,plan,account_number,postcode,email\nKD,digital,KD-4711,1000-001,new@example.org\n"},
    ),
}  # fmt: skip


async def bound_by(paywall: Paywall) -> Any:
    right = await paywall.client.get(f"{RIGHTS}/KD", headers=paywall.staff)
    return right.json()["bound_by"]


@pytest.mark.parametrize("sending", SENDING.values(), ids=SENDING)
async def test_what_is_sent_while_it_is_claimed_is_the_readers(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch, sending: tuple[Any, ...]
) -> None:
    browser = await arrive(paywall, "ana")
    sent = amid(
        monkeypatch, right_claims, "put_grant", paywall.database, lambda: send(paywall, *sending)
    )
    assert (await browser.post(CLAIM, json=MINE)).json()["state"] == "provisional"
    await sent[0]
    assert await bound_by(paywall) == "account"


@pytest.mark.parametrize("sending", SENDING.values(), ids=SENDING)
async def test_what_is_sent_while_its_address_is_confirmed_is_the_readers(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch, sending: tuple[Any, ...]
) -> None:
    browser = await arrive(paywall, "ana")
    reader_id = (await browser.get("/v1/me")).json()["id"]
    sent = amid(
        monkeypatch, address, "give_by_domain", paywall.database, lambda: send(paywall, *sending)
    )
    await confirm(paywall, reader_id, "new@example.org")
    await sent[0]
    assert await bound_by(paywall) == "email"


async def confirm(paywall: Paywall, reader_id: str, email: str) -> None:
    context = Context(paywall.settings, paywall.clocks, paywall.database)
    await change_by_operator(context, reader_id=reader_id, email=email, actor="tests")


def at_the_second_portion(
    monkeypatch: pytest.MonkeyPatch, doing: Callable[[], Awaitable[None]]
) -> None:
    """Let a list be stored one by one, and this be done after the first right."""
    seen = []

    async def late(*given: Any) -> None:
        seen.append(given)
        if len(seen) == 2:
            await doing()
        await take_claims(*given)

    monkeypatch.setattr(right_lists, "PORTION", 1)
    monkeypatch.setattr(right_lists, "take_claims", late)


def listed(plan: str) -> tuple[str, str, dict[str, Any]]:
    rows = "\n".join(f"R{number},{plan},r{number}@example.org" for number in range(2))
    return "POST", "/import", {"csv": f"reference,plan,email\n{rows}\n"}


async def test_a_reader_waits_for_a_portion_of_a_list_alone(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(paywall, *listed("digital"))
    browser = await arrive(paywall, "ana")
    reader_id = (await browser.get("/v1/me")).json()["id"]
    at_the_second_portion(monkeypatch, lambda: confirm(paywall, reader_id, "r0@example.org"))
    await send(paywall, *listed("daily"))
    async with paywall.database.reading() as session:
        (grant,) = await live_grants_of(session, reader_id, paywall.clocks.business())
    assert grant.scope == "plan:daily"


async def test_two_lists_of_a_source_follow_each_other(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(paywall, *listed("digital"))
    begun: list[Task[Any]] = []

    async def other() -> None:
        begun.append(await meanwhile(paywall.database, send(paywall, *listed("digital"))))

    at_the_second_portion(monkeypatch, other)
    await send(paywall, *listed("daily"))
    await begun[0]
    async with paywall.database.reading() as session:
        assert list(await session.scalars(select(Right.plan))) == ["digital", "digital"]


LISTED = "reference,plan,email\nR0,daily,r0@example.org\nR1,digital,r1@example.org\nR3,digital,r3@example.org\n"
SINGLE = {"changed by the list": "R0", "ended by the list": "R2", "begun by the list": "R3"}


@pytest.mark.parametrize("was_seen", [True, False], ids=["looked at", "sent at once"])
@pytest.mark.parametrize("reference", SINGLE.values(), ids=SINGLE)
async def test_a_right_that_is_sent_before_its_portion_is_not_overwritten_unseen(
    paywall: Paywall, reference: str, *, was_seen: bool
) -> None:
    for number in range(3):
        await send(
            paywall, "PUT", f"/R{number}", {"plan": "digital", "email": f"r{number}@example.org"}
        )
    paywall.clocks.travel(timedelta(hours=1))
    trial = await send(paywall, "POST", "/import", {"csv": LISTED, "dry_run": True})
    headers = {**paywall.staff, **({"If-Match": trial.headers["ETag"]} if was_seen else {})}
    load = paywall.client.post(f"{RIGHTS}/import", json={"csv": LISTED}, headers=headers)
    context = Context(paywall.settings, paywall.clocks, paywall.database)
    single = SentRight(reference, "weekend", email="corrected@example.org")
    async with paywall.database.transaction() as session:
        await take_source(session, "print")
        loading = await meanwhile(paywall.database, load)
        await put_right(session, context, "print", single, actor="a colleague")
    late = await loading
    async with paywall.database.reading() as session:
        plan = await session.scalar(select(Right.plan).where(Right.reference == reference))
    if was_seen:
        assert (late.status_code, plan) == (412, "weekend")
        assert (late.json()["by"], late.json()["changed"]) == (
            "a colleague",
            [f"print/{reference}"],
        )
    else:
        assert (late.status_code, plan == "weekend") == (200, reference == "R2"), (
            "the list came last"
        )
