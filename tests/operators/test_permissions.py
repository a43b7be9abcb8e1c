"""What the pages show to each role. Who may call which route: tests/surface/test_roles.py."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx2
import pytest

from service.db.base import Base
from service.db.tables import StripeFigure
from service.identity.permissions import PERMISSION_WORDS, SCOPES
from tests.databases import on_sqlite
from tests.reports import rows

pytestmark = on_sqlite

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]

READER = "rdr_0123456789abcdef01234567"
PAGES = [
    "/admin", f"/admin/subscribers/{READER}", "/admin/elsewhere", "/admin/account",
    "/admin/operators", "/admin/api-keys", "/admin/audit", "/admin/webhooks", "/admin/inbox",
    "/admin/jobs", "/admin/reconciliations", "/admin/articles",
    "/admin/offers", "/admin/settings",
]  # fmt: skip
ALLOWED: dict[str, list[int]] = {
    "viewer": [200, 200, 404, 200, 403, 403, 403, 403, 403, 403, 403, 200, 200, 403],
    "editor": [200, 403, 404, 200, 403, 403, 403, 403, 403, 403, 403, 200, 200, 403],
    "billing": [200, 200, 404, 200, 403, 403, 403, 200, 200, 200, 200, 200, 200, 200],
    "admin": [200, 200, 404, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200],
}
FORMS = [
    "/admin/account/password", "/admin/account/totp/start", "/admin/account/totp/confirm",
    "/admin/account/totp/off", "/admin/account/recovery-codes", "/admin/operators",
    "/admin/operators/opr_x", "/admin/api-keys", "/admin/api-keys/0123456789/revoke",
    "/admin/webhooks", "/admin/webhooks/whe_x", "/admin/webhooks/whe_x/deliveries/dlv_x/replay",
    "/admin/inbox/replay", "/admin/inbox/evt_x/replay", "/admin/jobs/job_x/replay",
    "/admin/reconciliations", "/admin/articles/ferry", "/admin/offers/new",
    "/admin/offers/off_x",
]  # fmt: skip


def a_reader() -> Base:
    return rows.reader(id=READER, email="ana@example.org")


@pytest.mark.parametrize("role", list(ALLOWED))
async def test_role_by_route(signed_in: SignedIn, store: Store, role: str) -> None:
    await store(a_reader())
    browser = await signed_in(role)
    answers = [await browser.get(page) for page in PAGES]
    assert [answer.status_code for answer in answers] == ALLOWED[role]
    for answer in answers:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Sign out" in answer.text


LINK = re.compile(r'href="(/admin[^"#?]*)')
A_FIGURE = re.compile("(?<=^/admin/reports/)[^/]+")
"""One of them is looked at: who may see it may see all, and each has the links of the others."""


@pytest.mark.parametrize("role", list(ALLOWED))
async def test_no_link_leads_to_a_page_that_the_role_cant_see(
    signed_in: SignedIn, store: Store, role: str
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    await store(
        a_reader(), rows.offer(), rows.article("ferry", "The ferry"),
        StripeFigure(
            id="fig_1", figure="mrr", currency="EUR", at=now, value=100, discounts="forever", churn="cancelled",
            start="subscription", ours=90, parts=[], perhaps=[], entered_by="command", entered_at=now,
        ),
    )  # fmt: skip
    browser = await signed_in(role)
    waiting, refused = {"/admin": ("/admin", "")}, {}
    seen: set[str] = set()
    while waiting:
        kind, (path, shown_on) = waiting.popitem()
        seen.add(kind)
        answer = await browser.get(path)
        if answer.status_code == 403:
            refused[path] = shown_on
        found = {A_FIGURE.sub("any", each): (each, path) for each in LINK.findall(answer.text)}
        waiting |= {kind: each for kind, each in found.items() if kind not in seen}
    assert refused == {}
    assert len(seen) > 15


async def test_no_form_of_another_site_or_of_nobody_does_anything(
    signed_in: SignedIn, browser: httpx2.AsyncClient
) -> None:
    for form in FORMS:
        assert (await browser.post(form)).status_code == 303, form
    await signed_in("admin")
    for form in FORMS:
        for csrf in ("", "0" * 64, "ä"):
            answer = await browser.post(form, data={"csrf": csrf})
            assert answer.status_code == 403, (form, csrf)
            assert "Reload the page" in answer.text, (form, csrf)


async def test_an_editor_sees_figures_but_no_readers(signed_in: SignedIn, store: Store) -> None:
    reader, offer = rows.reader(email="ana@example.org"), rows.offer()
    await store(reader, offer, rows.subscription(reader, offer))
    page = (await (await signed_in("editor")).get("/admin")).text
    assert "€9.00" in page
    assert "ana@example.org" not in page
    assert "Your role can’t see readers" in page


async def test_the_page_of_keys_says_what_each_scope_is_for(signed_in: SignedIn) -> None:
    page = (await (await signed_in("admin")).get("/admin/api-keys")).text
    for scope in SCOPES:
        assert f"{PERMISSION_WORDS[scope]} <code>{scope}</code>" in page
