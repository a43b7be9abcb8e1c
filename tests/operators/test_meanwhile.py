"""Two operators with the same form before them: the second is told what the first has changed, and loses nothing."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.session import Database
from service.db.tables import AuditEntry, ExperimentRow, Operator, Reader, WebhookEndpoint
from service.rules.experiment_document import ExperimentIn
from service.rules.in_force import InForce
from service.running import RunningApp
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.sent_form import fields as form_in
from tests.operators.test_articles import text_of
from tests.operators.test_experiments import plan
from tests.reports import rows

pytestmark = on_sqlite
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
THEN, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
OFFER, READER, HOOK, SOMEBODY = (f"{kind}_{1:024}" for kind in ("off", "rdr", "whe", "opr"))

ADDS_ONLY = {
    "/admin/sign-in": "", "/admin/sign-in/code": "", "/admin/sign-out": "",
    "/admin/account/password": "their own", "/admin/account/totp/start": "their own",
    "/admin/account/totp/confirm": "their own", "/admin/account/totp/off": "their own",
    "/admin/account/recovery-codes": "their own", "/admin/account/weekly": "their own",
    "/admin/readers/views": "their own", "/admin/readers/views/{view_id}/delete": "their own",
    "/admin/offers/new": "adds", "/admin/operators": "adds", "/admin/api-keys": "adds",
    "/admin/webhooks": "adds", "/admin/stripe-figures": "adds",
    "/admin/subscribers/{reader_id}/notes": "adds", "/admin/subscribers/{reader_id}/comps": "adds",
    "/admin/unbound": "refuses what is bound",
    "/admin/subscribers/{reader_id}/refund": "has a key, and Stripe refuses more than was paid",
    "/admin/subscribers/{reader_id}/resync": "asks Stripe", "/admin/reconciliations": "asks Stripe",
    "/admin/rules/recut": "by the rules in force", "/admin/stripe-import": "asks Stripe", "/admin/stripe-import/try": "asks Stripe",
    "/admin/institutions/import": "shows the differences first",
    "/admin/entitlements/import": "shows the differences first",
    "/admin/inbox/replay": "again", "/admin/inbox/{event_id}/replay": "again",
    "/admin/jobs/{job_id}/replay": "again", "/admin/gift-subscriptions/send": "again",
    "/admin/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay": "again",
    # What can only end, and is never changed before.
    "/admin/api-keys/{prefix}/revoke": "ends", "/admin/stripe-figures/{entry_id}/delete": "ends",
    "/admin/subscribers/{reader_id}/notes/{note_id}/delete": "ends",
    "/admin/subscribers/{reader_id}/comps/{grant_id}/revoke": "ends",
    "/admin/subscribers/{reader_id}/sessions/{session_id}/end": "ends",
    "/admin/seats/remove": "ends", "/admin/gift-links/end": "ends",
    "/admin/gift-subscriptions/revoke": "ends", "/admin/experiments/{slug}/stop": "ends",
}  # fmt: skip
"""Forms that put nothing in the place of what another operator has entered, and why."""


def forms(app: RunningApp) -> Iterator[tuple[str, set[str]]]:
    """Each form of the back office with the names of the fields that it must have."""
    for route in iter_route_contexts(list(app.routes)):
        if "POST" in (route.methods or ()) and (route.path or "").startswith("/admin"):
            fields: set[str] = set()
            for each in route.dependant.body_params:
                model = getattr(
                    each.field_info.annotation, "model_fields", {each.alias: each.field_info}
                )
                fields |= {name for name, field in model.items() if field.is_required()}
            yield route.path or "", fields


class Case(NamedTuple):
    """The second of two who send the form of `page` is `told` what the first has stored, and `kept` is still typed."""

    page: str
    action: str
    first: dict[str, str]
    second: dict[str, str]
    told: str
    kept: str = ""


LIBRARY = {"slug": "library", "name": "Library", "plan": "digital", "domains": "library.example"}
RIGHT = {"source": "print", "reference": "A1", "plan": "digital", "email": "ana@example.org"}
RATE = {"currency": "CHF", "into": "EUR", "day": "2026-03-01", "rate": "1.05"}
BOT = {"name": "goodbot", "category": "search", "agents": "GoodBot"}
CASES = [
    Case("institutions", "institutions", LIBRARY, {**LIBRARY, "name": "Mine"}, "Name is now: Library", 'value="Mine"'),
    Case("entitlements", "entitlements", RIGHT, {**RIGHT, "plan": "gold"}, "Plan is now: digital", 'value="gold"'),
    Case("exchange-rates", "exchange-rates", RATE, {**RATE, "rate": "1.07"}, "Rate is now: 1.05", 'value="1.07"'),
    Case("crawlers", "crawlers/crawler", BOT, {**BOT, "hosts": "bot.example"},
         "User agents in robots.txt is now: GoodBot", "bot.example</textarea>"),
    Case("crawlers", "crawlers/addresses", {"addresses": "192.0.2.0/24"}, {"addresses": "198.51.100.0/24"},
         "Networks is now: 192.0.2.0/24", "198.51.100.0/24</textarea>"),
    Case(f"offers/{OFFER}", f"offers/{OFFER}", {"name": "Theirs"}, {"name": "Mine", "position": "7"},
         "Name is now: Theirs", 'value="Mine"'),
    Case(f"webhooks/{HOOK}", f"webhooks/{HOOK}", {"change": "disable"},
         {"change": "types", "types": "subscription.started"}, "Disabled is now: yes", 'value="subscription.started" checked'),
    Case(f"subscribers/{READER}", f"subscribers/{READER}/address", {"email": "theirs@example.org"},
         {"email": "mine@example.org"}, "E-mail address is now: theirs@example.org", 'value="mine@example.org"'),
    Case("operators", f"operators/{SOMEBODY}", {"change": "role", "role": "editor"},
         {"change": "role", "role": "billing"}, "Role is now: editor", "<option selected>billing"),
]  # fmt: skip


BESIDE = {
    f"operators/{SOMEBODY}": ("operator.sign-in", SOMEBODY),
    f"webhooks/{HOOK}": ("webhook-endpoint.test", HOOK),
    f"subscribers/{READER}/address": ("reader.export", READER),
}
"""What others do with the same things, and changes none of their facts."""


@pytest.fixture
async def stored(store: Store, database: Database) -> None:
    """What the forms are of."""
    at = {"created_at": THEN}
    await store(
        rows.offer(id=OFFER),
        rows.reader(id=READER, email="ana@example.org"),
        WebhookEndpoint(
            id=HOOK,
            url="https://example.org/",
            types=["*"],
            description="",
            secret_sealed=b"",
            **at,
        ),
        Operator(id=SOMEBODY, email="ana@example.org", role="viewer", password_hash="x", **at),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.action)
async def test_the_second_is_told_and_loses_nothing(
    case: Case, signed_in: SignedIn, store: Store, stored: None
) -> None:
    browser, action = await signed_in("admin"), f"/admin/{case.action}"
    page = (await browser.get(f"/admin/{case.page}")).text
    seen = form_in(page, action)
    first = await browser.post(action, data={**seen, **case.first})
    assert first.status_code == 303, text_of(first.text)
    if case.action in BESIDE:
        done, target = BESIDE[case.action]
        await store(AuditEntry(at=LATER, actor="command", action=done, target=target))
    late = await browser.post(action, data={**seen, **case.second})
    assert late.status_code == 412, text_of(late.text)
    told = text_of(late.text)
    is_new = seen.get("seen", [""])[0].startswith("none@")
    assert ("Not saved: it already exists, by admin@example.org since " in told) == is_new
    assert ("Not saved: admin@example.org has changed it in the meantime" in told) != is_new
    assert (
        "Your entries are still below. Send them again to overwrite the current version." in told
        or (case.second.get("change") not in {None, "role", "types"})
    )
    assert case.told in told
    assert case.kept in unescape(late.text)
    again = form_in(late.text, action)
    sent = await browser.post(action, data={**again, **case.second})
    assert sent.status_code == 303, text_of(sent.text)


async def test_who_changed_it_before_it_was_seen_isnt_blamed(
    signed_in: SignedIn, store: Store, database: Database, stored: None, clocks: MovingClocks
) -> None:
    """A reader's own change of their address has no audit entry."""
    browser, action = await signed_in("admin"), f"/admin/subscribers/{READER}/address"
    before = AuditEntry(
        at=clocks.business(), actor="command", action="reader.change-address", target=READER
    )
    await store(before)
    clocks.travel(timedelta(minutes=1))
    seen = form_in((await browser.get(f"/admin/subscribers/{READER}")).text, action)
    async with database.transaction() as session:
        (await session.get_one(Reader, READER)).email = "own@example.org"
    late = await browser.post(action, data={**seen, "email": "mine@example.org"})
    assert "Not saved: somebody has changed it in the meantime." in text_of(late.text)


async def test_a_button_is_pressed_again_and_nothing_was_entered(
    signed_in: SignedIn, stored: None
) -> None:
    browser, rates = await signed_in("admin"), "/admin/exchange-rates"
    form = form_in((await browser.get(rates)).text, rates)
    await browser.post(rates, data={**form, **RATE})
    page = (await browser.get(rates)).text
    gone = form_in(page, f"{rates}/delete")
    # Another operator replaces it: their form is filled in with what is there, as after a refusal.
    there = await browser.post(rates, data={**form, **RATE, "rate": "1.07"})
    again = {**form_in(there.text, rates), "rate": "1.07"}
    assert (await browser.post(rates, data=again)).status_code == 303
    for path, sent in (
        (f"{rates}/delete", gone),
        (
            f"/admin/offers/{OFFER}",
            {**await seen_of_offer(browser), "change": "end", "sure": "yes"},
        ),
    ):
        late = await browser.post(path, data=sent)
        told = text_of(late.text)
        assert (late.status_code, "Check the current version and try again." in told) == (
            412,
            True,
        )
        assert "Your entries are" not in told


async def seen_of_offer(browser: httpx2.AsyncClient) -> dict[str, Any]:
    """What a form of the offer had before the offer was renamed."""
    here = f"/admin/offers/{OFFER}"
    seen = form_in((await browser.get(here)).text, here)
    await browser.post(here, data={**seen, "change": "change", "name": "Theirs", "position": "1"})
    return seen


async def test_each_form_on_its_page_says_what_was_seen(
    app: RunningApp,
    signed_in: SignedIn,
    store: Store,
    database: Database,
    settings: Settings,
    stored: None,
    clocks: MovingClocks,
) -> None:
    browser = await signed_in("admin")
    for case in CASES[:4]:
        page = (await browser.get(f"/admin/{case.page}")).text
        sent = {**form_in(page, f"/admin/{case.action}"), **case.first}
        assert (await browser.post(f"/admin/{case.action}", data=sent)).status_code == 303
    document = ExperimentIn.model_validate(plan(clocks)).model_dump(mode="json")
    await store(
        ExperimentRow(
            slug="spring", document=document, created_at=THEN, created_by="command",
            ends_at=clocks.business() + timedelta(days=30),
        )
    )  # fmt: skip
    article = ArticleIn.model_validate({"title": "Ferry", "body": "<p>One</p>"})
    async with database.transaction() as session:
        prepared = prepare("ferry", article, InForce.by_default(settings))
        await store_prepared(session, prepared, if_match=None, actor="test", now=THEN)
    guarded = {path for path, fields in forms(app) if fields & {"seen", "version"}}
    met = set()
    for page in {case.page for case in CASES} | {
        "articles/ferry", "experiments", "experiments/spring", "rules",
    }:  # fmt: skip
        shown = (await browser.get(f"/admin/{page}")).text
        for form in re.findall(r'<form [^>]*method="post".*?</form>', shown, re.DOTALL):
            (action,) = re.findall(r'action="([^"#]+)', form)
            fits = {
                each for each in guarded if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), action)
            }
            fits = {each for each in fits if "{" not in each} or fits
            assert not fits or re.search(r'name="(seen|version)" value="[^"]', form), (page, action)
            met |= fits
    assert met == guarded


def test_every_form_that_replaces_something_says_what_was_seen_of_it(app: RunningApp) -> None:
    found = dict(forms(app))
    guarded = {path for path, fields in found.items() if fields & {"seen", "version"}}
    # The list to load names the crawler with what was seen of its list.
    guarded.add("/admin/crawlers/addresses")
    assert set(found) - guarded == set(ADDS_ONLY)


async def test_a_plan_is_started_as_it_was_read(
    signed_in: SignedIn, database: Database, clocks: MovingClocks
) -> None:
    browser = await signed_in("admin")
    document = ExperimentIn.model_validate(plan(clocks)).model_dump(mode="json")
    async with database.transaction() as session:
        row = ExperimentRow(
            slug="spring", document=document, created_at=THEN, created_by="command",
            ends_at=clocks.business() + timedelta(days=30),
        )  # fmt: skip
        session.add(row)
    page = (await browser.get("/admin/experiments/spring")).text
    form = form_in((await browser.get("/admin/experiments/spring/plan")).text, "/admin/experiments")
    assert (
        await browser.post("/admin/experiments", data={**form, "size": "500"})
    ).status_code == 303
    for act in ("start", "delete"):
        action = f"/admin/experiments/spring/{act}"
        late = await browser.post(action, data=form_in(page, action))
        assert late.status_code == 412
        assert "Sample size is now: 500" in text_of(late.text)
    late = await browser.post("/admin/experiments", data={**form, "size": "900"})
    assert (late.status_code, 'value="900"' in late.text) == (412, True)
    again = form_in(late.text, "/admin/experiments")
    assert (await browser.post("/admin/experiments", data=again)).status_code == 303


SURE_OF = {
    "DELETE /v1/admin/api-keys/{prefix}", "DELETE /v1/admin/canaries/{slug}",
    "DELETE /v1/admin/gift-links/{link_id}",
    "DELETE /v1/admin/gift-subscriptions/{gift_id}", "DELETE /v1/admin/grants/{grant_id}",
    "DELETE /v1/admin/saved-views/{view_id}", "DELETE /v1/admin/seats/{seat_id}",
    "DELETE /v1/admin/stripe-figures/{entry_id}",
    "DELETE /v1/admin/subscribers/{reader_id}/notes/{note_id}",
    "DELETE /v1/admin/subscribers/{reader_id}/sessions/{session_id}",
}  # fmt: skip
"""Calls that end what is never changed before."""


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


async def test_calls_that_replace_something_take_what_was_seen_of_it(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    takes = {
        f"{method.upper()} {path}": "if-match"
        in [p["name"].lower() for p in call.get("parameters", ())]
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if path.startswith("/v1/admin/") and method in {"put", "patch", "delete"}
    }
    assert {call for call, is_so in takes.items() if not is_so} == SURE_OF

    async def send(path: str, body: Any, **headers: str) -> httpx2.Response:
        method = "POST" if path.endswith("rates") else "PUT"
        answer: httpx2.Response = await paywall.client.request(
            method, f"/v1/admin/{path}", json=body, headers={**paywall.staff, **headers}
        )
        return answer

    experiment = plan(clocks)
    for path, first, second in [
        ("institutions/library", {"name": "Library", "plan": "digital"}, {"name": "Mine", "plan": "digital"}),
        ("entitlements/print/A1", {"plan": "digital", "email": "ana@example.org"}, {"plan": "gold", "email": "ana@example.org"}),
        ("crawlers/goodbot", {"category": "search", "agents": ["GoodBot"]}, {"category": "agent", "agents": ["GoodBot"]}),
        ("experiments/spring", experiment, {**experiment, "size": 500}),
        ("exchange-rates", RATE, {**RATE, "rate": "1.07"}),
    ]:  # fmt: skip
        none = {"If-Match": '"none"'}
        stored = await send(path, first, **none)
        assert stored.status_code in {200, 201}, stored.text
        late = await send(path, second, **none)
        assert (late.status_code, late.json()["type"]) == (412, "/problems/changed-meanwhile")
        assert late.json()["by"]
        tag = stored.headers.get("ETag") or stored.json()["etag"]
        assert (await send(path, second, **{"If-Match": tag})).status_code in {200, 201}
        assert (await send(path, first, **{"If-Match": tag})).status_code == 412
        assert (await send(path, first, **{"If-Match": "*"})).status_code in {200, 201}
