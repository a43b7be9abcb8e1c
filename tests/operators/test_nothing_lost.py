"""What was typed into a form that is refused is there still: in the form, or to be copied from the refusal."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from fastapi.routing import iter_route_contexts

from service.db.tables import Operator, UnboundSubscription, WebhookEndpoint
from service.payments.reach import Payments
from service.running import PartMissing, RunningApp
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in
from tests.operators.test_meanwhile import HOOK, OFFER, READER, SOMEBODY, THEN, SignedIn, Store
from tests.reports import rows
from tests.running import exchange
from tests.stripe_at_hand import StripeAtHand, stripe_at_hand

pytestmark = on_sqlite
NOT_TYPED = {
    "csrf",
    "seen",
    "version",
    "sure",
    "key",
    "change",
    "code",
    "kept",
    "next",
    "password_proof",
}
"""Fields that are no text of the operator's, beside passwords."""
BUTTONS = re.compile(
    r"/(sign-(in|out)|account|replay|end|forget|delete|revoke|remove|send|resync|stop|start|reconciliations|stripe-import)\b"
)
"""Forms with nothing to type, and those about the operator's own session."""
CHOSEN = {
    "/admin/readers/views": {"filters"}, "/admin/institutions/import": {"load", "shown"},
    "/admin/stripe-figures": {"figure", "currency", "discounts", "churn", "start"},
    "/admin/operators": {"role"},
    "/admin/operators/{operator_id}": {"role"}, "/admin/webhooks": {"types"},
    "/admin/webhooks/{endpoint_id}": {"types"},
}  # fmt: skip
"""Lists, boxes and buttons: what is none of their choices nobody has typed."""
REFUSED = {
    "text": "x" * 10_001,
    "until": "soon",
    "amount": "much",
    "name": "a\u202eb",
    "subscription": "sub_1",
}
"""By the field: what can't be, where a word without a meaning could."""


@pytest.fixture
async def stored(store: Store) -> None:
    at = {"created_at": THEN}
    offer, reader = rows.offer(id=OFFER), rows.reader(id=READER, email="ana@example.org")
    await store(
        offer,
        reader,
        rows.subscription(reader, offer, id=REFUSED["subscription"]),
        rows.article(slug="ferry", title="Ferry"),
        WebhookEndpoint(id=HOOK, url="https://example.org/", types=["*"], description="", secret_sealed=b"", **at),
        Operator(id=SOMEBODY, email="ana@example.org", role="viewer", password_hash="x", **at),
    )  # fmt: skip


async def test_what_was_typed_is_there_still(
    app: RunningApp, signed_in: SignedIn, stored: None
) -> None:
    browser = await signed_in("admin")
    csrf = csrf_in((await browser.get("/admin/account")).text)
    ids = {
        "offer_id": OFFER,
        "reader_id": READER,
        "endpoint_id": HOOK,
        "operator_id": SOMEBODY,
        "slug": "ferry",
    }
    lost: list[tuple[str, str, int]] = []
    refused = set()
    for route in iter_route_contexts(list(app.routes)):
        path = route.path or ""
        if (
            "POST" not in (route.methods or ())
            or not path.startswith("/admin")
            or BUTTONS.search(path)
        ):
            continue
        typed: dict[str, str] = {}
        for each in route.dependant.body_params:
            for name in getattr(each.field_info.annotation, "model_fields", {each.alias: None}):
                if name not in NOT_TYPED | CHOSEN.get(path, set()) and "password" not in name:
                    typed[name] = REFUSED.get(name, f"=odd {name} <1>")
        try:
            answer = await browser.post(
                path.format(**ids), data={**typed, "csrf": csrf, "seen": "none"}
            )
        except PartMissing:
            continue  # the application of these tests asks nothing of Stripe
        if answer.status_code != 303:
            refused.add(path)
            page = unescape(answer.text)
            lost += [
                (path, name, answer.status_code)
                for name, value in typed.items()
                if value not in page
            ]
    assert not lost
    assert len(refused) > 15


@pytest.fixture
async def stripe(app: RunningApp, clocks: MovingClocks) -> AsyncIterator[StripeAtHand]:
    """Where nothing is sold, forms about payments are refused before they are looked at."""
    async with stripe_at_hand(clocks) as at_hand:
        exchange(app, Payments(at_hand.gateway))
        yield at_hand


@pytest.mark.parametrize("access", ["end_access", "cancel"])
@pytest.mark.usefixtures("stored", "stripe")
async def test_a_refused_refund_is_there_still(signed_in: SignedIn, access: str) -> None:
    browser = await signed_in("admin")
    typed = {
        "csrf": csrf_in((await browser.get("/admin/account")).text),
        "subscription": REFUSED["subscription"],
        "amount": REFUSED["amount"],
        "access": access,
        "key": "once",
        "sure": "yes",
    }
    answer = await browser.post(f"/admin/subscribers/{READER}/refund", data=typed)
    assert answer.status_code == 422
    form = re.search(r"<details open>\s*<summary>Refund.*?</form>", answer.text, re.DOTALL)
    assert form is not None
    assert 'name="amount" value="much"' in form[0]
    assert f'<option value="{access}" selected>' in form[0]


@pytest.mark.usefixtures("stored")
async def test_the_reader_of_a_refused_bind_is_there_still(
    signed_in: SignedIn, store: Store, stripe: StripeAtHand
) -> None:
    """In the row of the customer that it was typed for."""
    customers = [stripe.dashboard.customers.create().id for _ in "ab"]
    await store(
        *(
            UnboundSubscription(
                id=f"sub_of_{each}",
                customer_id=each,
                offer_id=OFFER,
                status="active",
                started_at=THEN,
            )
            for each in customers
        )
    )
    browser = await signed_in("admin")
    csrf = csrf_in((await browser.get("/admin/account")).text)
    typed = {"csrf": csrf, "customer": customers[0], "reader": "rdr_nobody"}
    answer = await browser.post("/admin/unbound", data=typed)
    assert answer.status_code == 404
    shown = re.findall(
        r'name="customer" value="(\w+)".*?name="reader" value="(\w*)"', answer.text, re.DOTALL
    )
    assert dict(shown) == {customers[0]: "rdr_nobody", customers[1]: ""}
