"""The back office's navigation: by subject, and only where the role may go."""

import re
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path

import httpx2
import pytest

from service import operators
from service.identity.permissions import Permission
from service.operators.frame.places import GROUPS, navigation
from tests.databases import on_sqlite

ALL = frozenset(Permission)
REPORTS = frozenset({Permission.REPORTS_READ})

CASES: list[tuple[str, frozenset[Permission], list[str], list[str]]] = [
    ("/admin", ALL, ["Today page", "Readers", "Articles", "Offers", "Money", "Reports", "Settings", "System"], []),
    ("/admin/reports/mrr", REPORTS, ["Today", "Money", "Reports true", "Settings"], ["All reports true", "Stripe’s figures"]),
    ("/admin/reportsx", REPORTS, ["Today", "Money", "Reports", "Settings"], []),
    ("/admin/readers", ALL, ["Today", "Readers true", "Articles", "Offers", "Money", "Reports", "Settings", "System"], ["Readers page", "External entitlements", "Institutions", "Seats", "Gift subscriptions", "Gift links", "Shared accounts"]),
    ("/admin/subscribers/rdr_1", ALL, ["Today", "Readers true", "Articles", "Offers", "Money", "Reports", "Settings", "System"], ["Readers true", "External entitlements", "Institutions", "Seats", "Gift subscriptions", "Gift links", "Shared accounts"]),
    (
        "/admin/jobs", ALL, ["Today", "Readers", "Articles", "Offers", "Money", "Reports", "Settings", "System true"],
        ["Stripe events", "Jobs page", "Reconciliation", "Stripe import", "Webhooks", "Audit log"],
    ),
    (
        "/admin/webhooks/whe_1", ALL, ["Today", "Readers", "Articles", "Offers", "Money", "Reports", "Settings", "System true"],
        ["Stripe events", "Jobs", "Reconciliation", "Stripe import", "Webhooks true", "Audit log"],
    ),
    ("/admin/audit", frozenset({Permission.AUDIT_READ}), ["System page"], []),
    ("/admin/money/refunds", ALL, ["Today", "Readers", "Articles", "Offers", "Money true", "Reports", "Settings", "System"], ["Money true", "Payouts"]),
    ("/admin/money/payouts", ALL, ["Today", "Readers", "Articles", "Offers", "Money true", "Reports", "Settings", "System"], ["Money", "Payouts page"]),
    ("/admin/money/payouts/po_1", REPORTS, ["Today", "Money true", "Reports", "Settings"], []),
    ("/admin/account", frozenset(), [], []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "permissions", "subjects", "places"), CASES)
def test_where_one_is_and_may_go(
    path: str, permissions: frozenset[Permission], subjects: list[str], places: list[str]
) -> None:
    shown = navigation(path, permissions)
    assert [f"{each.words} {each.current}".strip() for each in shown.subjects] == subjects
    assert [f"{each.words} {each.current}".strip() for each in shown.places] == places


def test_a_subject_leads_to_the_first_place_that_is_open() -> None:
    shown = navigation("/admin", frozenset({Permission.AUDIT_READ, Permission.KEYS_READ}))
    assert [(each.words, each.path) for each in shown.subjects] == [
        ("Settings", "/admin/api-keys"),
        ("System", "/admin/audit"),
    ]


def test_each_place_is_there_once() -> None:
    paths = [place.path for group in GROUPS for place in group.places]
    assert len(set(paths)) == len(paths)


TEMPLATES = Path(operators.__file__).parent / "templates"
WORDS = {place.path: place.words for group in GROUPS for place in group.places}


@on_sqlite
async def test_a_place_has_the_heading_and_title_of_its_page(
    signed_in: Callable[[str], Awaitable[httpx2.AsyncClient]],
) -> None:
    browser = await signed_in("admin")
    shown = {}
    for path in WORDS:
        page = unescape((await browser.get(path)).text)
        headings = re.findall(r"<h1[^>]*>(.*?)</h1>", page) + re.findall(r"<title>(.*?) · ", page)
        shown[path] = set(headings)
    assert shown == {path: {words} for path, words in WORDS.items()}


@on_sqlite
async def test_a_long_page_leads_to_each_of_its_parts_by_its_heading(
    signed_in: Callable[[str], Awaitable[httpx2.AsyncClient]],
) -> None:
    page = (await (await signed_in("admin")).get("/admin/rules")).text
    links = re.search(r'<nav aria-label="On this page">.*?</nav>', page)
    assert links is not None
    led = re.findall(r'<a href="#([^"]*)">([^<]*)<', links[0])
    assert led == re.findall(r'<h2 id="([^"]*)">([^<]*)<', page)


def test_a_page_leads_back_to_a_place_by_its_name() -> None:
    led = [
        (path.name, address, words)
        for path in TEMPLATES.glob("*.html")
        for crumbs in re.findall(r'class="crumbs".*', path.read_text(encoding="utf-8"))
        for address, words in re.findall(r'<a href="([^"]*)">(.*?)</a>', crumbs)
    ]
    assert len(led) > 10
    assert not [each for each in led if each[1] in WORDS and WORDS[each[1]] != each[2]]
