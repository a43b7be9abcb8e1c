"""What was typed into a form that is refused is there still: in the form, or to be copied from the refusal."""

import re
from html import unescape

import pytest
from fastapi.routing import iter_route_contexts

from service.db.tables import Operator, WebhookEndpoint
from service.running import PartMissing, RunningApp
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in
from tests.operators.test_meanwhile import HOOK, OFFER, READER, SOMEBODY, THEN, SignedIn, Store
from tests.reports import rows

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
    "/admin/readers/views": {"filters"}, "/admin/institutions/import": {"try_out"},
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
