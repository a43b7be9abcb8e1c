"""What operators do: refunds with their choice for access, and comparing a reader with Stripe."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest

from service.billing.refunds import RefundAsked, refund_latest
from service.billing.resync import resync_reader
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.permissions import SCOPES
from service.identity.sessions import open_session
from service.payments.gateway import StripeRefund
from service.problems import Problem
from tests.billing.desk import Desk, service_at
from tests.databases import on_sqlite
from tests.keys import create_api_key

pytestmark = on_sqlite


async def refund(desk: Desk, asked: RefundAsked) -> StripeRefund:
    return await refund_latest(desk.context, desk.gateway, asked, actor="operator:opr_1")


async def test_a_refund_by_hand_says_what_becomes_of_access(desk: Desk) -> None:
    reader, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    await desk.hear()
    part = RefundAsked(reader, subscription, 100, "keep", "first-click")
    assert (await refund(desk, part)).amount == 100
    # The same click once more, by a reader of the same page.
    assert (await refund(desk, part)).amount == 100
    assert await desk.is_open(subscription)
    for asked, why in (
        (RefundAsked(reader, subscription, 801, "keep", "too-much"), "Only €8.00"),
        (RefundAsked(reader, subscription, 200, "cancel", "a-part"), "part changes no access"),
        (RefundAsked(reader, "sub_other", None, "keep", "nobodys"), "no such subscription"),
        (RefundAsked("rdr_other", subscription, None, "keep", "others"), "no such subscription"),
    ):
        with pytest.raises(Problem, match=why):
            await refund(desk, asked)
    rest = RefundAsked(reader, subscription, None, "cancel", "the-rest")
    desk.travel(minutes=5)
    assert (await refund(desk, rest)).amount == 800
    assert not await desk.is_open(subscription)
    await desk.hear()
    assert desk.status(subscription) == "canceled"
    with pytest.raises(Problem, match="nothing left"):
        await refund(desk, RefundAsked(reader, subscription, None, "keep", "again"))
    assert [each.amount for each in desk.stripe.refunds.list({}).data] == [800, 100]
    by_hand = ("operator:opr_1", "payment.refund", reader)
    assert await desk.audited() == [
        by_hand, by_hand, ("system", "subscription.cancel", reader),
    ]  # fmt: skip
    (*_, ended) = await desk.ledger(subscription)
    assert ended.after is not None
    assert (ended.type, ended.after["reason"]) == ("subscription.ended", "refund")


async def test_a_refund_ends_access_only_when_the_whole_period_is_given_back(desk: Desk) -> None:
    reader, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    desk.travel(days=10)
    (item,) = desk.stripe.subscription_items.list({"subscription": subscription}).data
    dearer = {"id": item.id, "price": desk.other_price}
    changed = {"items": [dearer], "proration_behavior": "always_invoice"}
    desk.stripe.subscriptions.update(subscription, changed)
    await desk.hear()
    with pytest.raises(Problem, match="of this period would be kept"):
        await refund(desk, RefundAsked(reader, subscription, None, "cancel", "the-change"))
    change = await refund(desk, RefundAsked(reader, subscription, None, "keep", "the-change"))
    assert 0 < change.amount < 600
    desk.travel(minutes=5)
    assert await desk.is_open(subscription)
    rest = RefundAsked(reader, subscription, None, "end_access", "the-period")
    assert (await refund(desk, rest)).amount == 900
    assert not await desk.is_open(subscription)


async def test_resync_finds_what_nobody_told_of(desk: Desk) -> None:
    reader, customer = await desk.reader()
    known = desk.subscribe(customer)
    await desk.hear()
    desk.stripe.subscriptions.cancel(known)
    unheard = desk.subscribe(customer)

    async def resync(reader_id: str) -> dict[str, str]:
        looked = await resync_reader(desk.context, desk.gateway, reader_id, actor="command")
        return {each.id: each.result for each in looked}

    assert await resync(reader) == {known: "synced", unheard: "synced"}
    assert (await desk.row(known)).status == "canceled"
    assert await desk.is_open(unheard)
    assert await desk.audited() == [("command", "reader.resync", reader)]
    with pytest.raises(Problem, match="Reader not found"):
        await resync("rdr_unknown")


async def test_both_from_the_back_office_and_over_the_api(desk: Desk) -> None:
    reader, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    async with desk.database.transaction() as session:
        operator = await create_operator(
            session, email="kim@example.org", password="correct horse battery", role="admin",
            now=desk.clocks.wall(),
        )  # fmt: skip
        secret = await open_operator_session(
            session, operator, now=desk.clocks.wall(), settings=desk.settings
        )
        key = await create_api_key(
            session, label="tests", scopes=sorted(SCOPES), now=desk.clocks.wall()
        )
    bearer = {"Authorization": f"Bearer {key}"}
    api = f"/v1/admin/subscribers/{reader}"
    async with service_at(desk) as client:
        answer = await client.post(f"{api}/resync", headers=bearer)
        assert answer.json() == {"looked": [{"id": subscription, "result": "synced"}]}
        body = {
            "subscription": subscription,
            "amount": 100,
            "access": "keep",
            "key": "a-random-word",
        }
        answer = await client.post(f"{api}/refund", headers=bearer, json=body)
        assert (answer.status_code, answer.json()["amount"]) == (201, 100)
        answer = await client.post(
            f"{api}/refund", headers=bearer, json={**body, "amount": 9000, "key": "another-word"}
        )
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")

        client.cookies.set(cookie_name("operator", desk.settings), secret)
        shown = f"/admin/subscribers/{reader}"
        page = (await client.get(shown)).text
        form = {
            name: unescape(value)
            for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
        }
        refused = await client.post(f"{shown}/refund", data=form)
        assert (refused.status_code, "select “I am sure” first" in refused.text) == (422, True)
        sent = {**form, "sure": "yes", "access": "end_access", "amount": ""}
        for _ in range(2):
            done = await client.post(f"{shown}/refund", data=sent)
            assert (done.status_code, done.headers["location"]) == (303, f"{shown}?done=refund")
        assert "Refunded." in (await client.get(f"{shown}?done=refund")).text
        assert not await desk.is_open(subscription)
        again = await client.post(f"{shown}/resync", data={"csrf": form["csrf"]})
        assert again.headers["location"] == f"{shown}?done=resync"
    assert [each.amount for each in desk.stripe.refunds.list({}).data] == [800, 100]


async def test_readers_see_what_their_payment_waits_for(desk: Desk) -> None:
    reader, customer = await desk.reader()
    async with desk.database.transaction() as session:
        opened = await open_session(
            session, reader_id=reader, now=desk.clocks.wall(), settings=desk.settings
        )

    async def shown() -> Any:
        return (await client.get("/v1/me")).json()["subscription"]

    async with service_at(desk) as client:
        client.cookies.set(cookie_name("session", desk.settings), opened.token)
        assert await shown() is None
        owing = desk.subscribe(customer, "pm_card_chargeCustomerFail", trial_period_days=1)
        await desk.hear()
        running = await shown()
        assert (running["id"], running["status"]) == (owing, "trialing")
        for absent in ("payment_problem", "open_payment", "access_stop", "cancel_at"):
            assert running[absent] is None
        desk.travel(days=2)
        await desk.hear()
        row = await desk.row(owing)
        (problem, since) = ((await shown())["payment_problem"], row.past_due_since)
        assert since is not None
        assert (problem["needs"], problem["url"]) == ("card", row.payment_url)
        assert (await shown())["open_payment"] == {
            "amount": 900, "currency": "EUR", "is_under_way": False,
            "paid_until": f"{row.current_period_end:%Y-%m-%dT%H:%M:%SZ}",
        }  # fmt: skip
        assert datetime.fromisoformat(problem["ends_at"]) == since + timedelta(days=14)
        desk.stripe.subscriptions.cancel(owing)
        await desk.hear()
        assert await shown() is None
