"""What was sold by phone: listed, never anybody's by its address, and an operator's to bind."""

from typing import Any

import pytest

from service.billing.bind import bind_by_operator
from service.billing.compare import UNBOUND
from service.billing.reconcile import reconcile
from service.billing.unbound import count_unbound
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.permissions import SCOPES
from service.identity.readers import create_reader
from service.problems import Problem
from tests.billing.desk import Desk, service_at
from tests.databases import on_sqlite
from tests.keys import create_api_key
from tests.operators.conftest import csrf_in


async def unbound(desk: Desk) -> int:
    async with desk.database.reading() as session:
        return await count_unbound(session)


def sold_by_phone(desk: Desk, **fields: Any) -> tuple[str, str]:
    """A customer and a subscription that somebody made in Stripe's dashboard."""
    customer = desk.stripe.customers.create({"email": "ana@example.org"}).id
    return customer, desk.subscribe(customer, **fields)


async def bind(desk: Desk, customer: str, named: str) -> str:
    return await bind_by_operator(
        desk.context, desk.gateway, customer_id=customer, named=named, actor="Olga"
    )


@on_sqlite
async def test_it_is_listed_and_bound_by_an_operator_alone(desk: Desk) -> None:
    reader, _ = await desk.reader("ana@example.org")
    customer, bought = sold_by_phone(desk)
    await desk.hear()
    assert await unbound(desk) == 1
    assert not await desk.is_open(bought)  # though a reader typed that address
    for fix in (False, True):
        report = await reconcile(desk.context, desk.gateway, started_by="test", fix=fix)
        assert [each.what for each in report.remaining] == [UNBOUND]
    assert await bind(desk, customer, reader) == reader
    assert await desk.is_open(bought)
    assert ("Olga", "reader.bind", reader) in await desk.audited()
    assert await unbound(desk) == 0
    assert await bind(desk, customer, reader) == reader
    report = await reconcile(desk.context, desk.gateway, started_by="test", fix=False)
    assert report.findings == []


@on_sqlite
async def test_what_is_over_or_was_bought_through_a_checkout_isnt_listed(desk: Desk) -> None:
    sold_by_phone(desk, metadata={"checkout": "cko_of_another_publication"})
    _, heard = sold_by_phone(desk)
    _, unheard = sold_by_phone(desk)
    await desk.hear()
    assert await unbound(desk) == 2
    desk.stripe.subscriptions.cancel(heard)
    await desk.hear()
    assert await unbound(desk) == 1
    desk.stripe.subscriptions.cancel(unheard)
    await reconcile(desk.context, desk.gateway, started_by="test", fix=True)
    assert await unbound(desk) == 0


@on_sqlite
async def test_whom_an_operator_can_name(desk: Desk) -> None:
    customer, bought = sold_by_phone(desk)
    other, others = await desk.reader("bo@example.org")
    async with desk.database.transaction() as session:
        account = await create_reader(session, email="ana@example.org", clocks=desk.clocks)
        account.verified_key, account.email_verified_at = "ana@example.org", desk.clocks.business()
    refusals = (
        (customer, "bo@example.org", "Nobody has confirmed"),
        (customer, "rdr_nobody", "No reader has the id"),
        ("cus_nobody", other, "Stripe has no customer"),
        (others, account.id, f"belongs to the reader {other}"),
    )
    for customer_id, named, why in refusals:
        with pytest.raises(Problem) as refused:
            await bind(desk, customer_id, named)
        assert why in refused.value.detail
    assert await bind(desk, customer, "Ana@example.org") == account.id
    assert await desk.is_open(bought)


@on_sqlite
async def test_both_from_the_back_office_and_over_the_api(desk: Desk) -> None:
    reader, _ = await desk.reader()
    by_form, first = sold_by_phone(desk)
    by_call, _ = sold_by_phone(desk, items=[{"price": desk.other_price}])
    await desk.hear()
    now = desk.clocks.wall()
    async with desk.database.transaction() as session:
        operator = await create_operator(
            session, email="kim@example.org", password="correct horse battery", role="billing",
            now=now,
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=desk.settings)
        key = await create_api_key(session, label="tests", scopes=sorted(SCOPES), now=now)
    bearer = {"Authorization": f"Bearer {key}"}
    async with service_at(desk) as client:
        listed = (await client.get("/v1/admin/unbound", headers=bearer)).json()["items"]
        assert {(each["customer"], each["email"]) for each in listed} == {
            (by_form, "ana@example.org"), (by_call, "ana@example.org"),
        }  # fmt: skip
        body = {"customer": by_call, "reader": reader}
        answer = await client.post("/v1/admin/unbound/bind", headers=bearer, json=body)
        assert answer.json() == {"reader_id": reader}
        client.cookies.set(cookie_name("operator", desk.settings), secret)
        overview = " ".join((await client.get("/admin")).text.split())
        assert "<strong>1</strong> subscription without a reader" in overview
        page = (await client.get("/admin/unbound")).text
        assert by_form in page
        form = {"csrf": csrf_in(page), "customer": by_form}
        refused = await client.post("/admin/unbound", data={**form, "reader": "rdr_nobody"})
        assert (refused.status_code, "No reader has the id rdr_nobody" in refused.text) == (
            404,
            True,
        )
        done = await client.post("/admin/unbound", data={**form, "reader": reader})
        assert done.headers["location"] == f"/admin/subscribers/{reader}?done=bind"
        assert "All subscriptions belong" in (await client.get("/admin/unbound")).text
    assert (await desk.row(first)).reader_id == reader
