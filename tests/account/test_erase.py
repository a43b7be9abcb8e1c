"""Erasing: nothing of the reader is left, nothing brings them back, and it may fail at any point."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from service.billing.inbox import JOB
from service.db.session import Database
from service.db.tables import (
    AccessEntry,
    AuditEntry,
    CheckoutTouches,
    Consent,
    Grant,
    HolderDay,
    InboxEvent,
    Job,
    Mail,
    MeterWindow,
    Reader,
    ReaderSession,
    Subscription,
    Touches,
)
from service.identity.cookies import cookie_name
from service.settings import Settings
from tests.account.known_reader import ADDRESS, Known, Site, known_reader, mailing_site
from tests.checkout.rows import rows
from tests.conftest import MovingClocks, settings_of
from tests.databases import database_of, on_sqlite
from tests.patience import wait_until


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Site]:
    with mailing_site(settings, clocks) as made:
        yield made


@pytest.fixture
def known(site: Site) -> Iterator[Known]:
    made = known_reader(site)
    with closing(made.other):
        yield made


def erase(browser: httpx2.Client, **body: Any) -> httpx2.Response:
    return browser.request("DELETE", "/v1/me", json=body)


def reader_row(site: Site, reader_id: str) -> Any:
    (found,) = (each for each in rows(site.at, Reader) if each.id == reader_id)
    return found


def assert_erased(site: Site, known: Known) -> None:
    """Nothing is left that leads to the person, and nothing is open to the pseudonym."""
    stored = site.dump()
    assert known.reader_id in stored
    assert [trace for trace in known.traces if trace in stored] == []
    row = reader_row(site, known.reader_id)
    assert (row.email, row.email_key, row.verified_key, row.email_verified_at) == (None,) * 4
    assert row.erased_at is not None
    now = site.at.clocks.business()
    live = [each for each in rows(site.at, Grant) if each.ends_at is None or each.ends_at > now]
    assert [each for each in live if each.reader_id == known.reader_id] == []
    theirs = [each for each in rows(site.at, ReaderSession) if each.reader_id == known.reader_id]
    assert all(each.ended_at is not None for each in theirs)


@on_sqlite
def test_nothing_of_the_reader_is_left_and_the_books_are_kept(site: Site, known: Known) -> None:
    before = site.dump()
    # The raw ids of devices are only in the readers' hands.
    raw = set(known.device_ids)
    assert [trace for trace in known.traces if trace not in before] == [
        trace for trace in known.traces if trace in raw
    ]
    (paid,) = rows(site.at, Subscription)
    added_up = len(rows(site.at, HolderDay))
    read, holders = len(rows(site.at, AccessEntry)), anonymous_holders(site)
    answer = erase(site.at.browser, cancel_subscription=True)
    assert (answer.status_code, answer.content) == (204, b"")
    gone = [header for header in answer.headers.get_list("Set-Cookie") if "Max-Age=0" in header]
    assert len(gone) == 3
    site.at.settle()
    until_mailed(site, "erased")
    site.sweep()
    assert_erased(site, known)
    (kept,) = rows(site.at, Subscription)
    assert (kept.amount, kept.currency, kept.started_at) == (paid.amount, "EUR", paid.started_at)
    assert (kept.status, kept.ended_at is not None) == ("canceled", True)
    assert kept.cancel_reason == "erased"
    assert len(rows(site.at, AccessEntry)) >= read
    # What was read before signing in is still two devices' reading, but nobody knows which.
    assert len(anonymous_holders(site)) == len(holders) == 2
    assert anonymous_holders(site).isdisjoint(holders)
    # A day that is added up has as many holders as before, and none of the devices.
    assert len(rows(site.at, HolderDay)) == added_up > len(holders)
    assert rows(site.at, Touches) == rows(site.at, CheckoutTouches) == rows(site.at, Consent) == []
    assert rows(site.at, MeterWindow) == []
    (customer,) = site.at.simulator.world.store.find("customer", [])
    assert customer["deleted"] is True


def anonymous_holders(site: Site) -> set[str]:
    return {each.holder for each in rows(site.at, AccessEntry) if each.reader_id is None}


def until_mailed(site: Site, kind: str) -> None:
    def mailed() -> bool:
        mails = [each for each in rows(site.at, Mail) if each.kind == kind]
        return all(each.status != "waiting" for each in mails)

    wait_until(mailed, f"the mail {kind} is sent")


def farewells(site: Site) -> list[str]:
    """To whom the last word went; mails about purchases may still arrive beside it."""
    return [to for to, content in site.mailbox.received if b"has erased your data" in content]


@on_sqlite
def test_a_subscription_is_given_up_knowingly(site: Site, known: Known) -> None:
    for body in ({}, {"cancel_subscription": False}):
        answer = erase(site.at.browser, **body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/subscription-runs")
    assert site.at.browser.request("DELETE", "/v1/me").status_code == 409
    assert site.at.unlock("a").json()["reason"] == "subscription"
    (customer,) = site.at.simulator.world.store.find("customer", [])
    assert "deleted" not in customer
    assert reader_row(site, known.reader_id).email == ADDRESS


@on_sqlite
def test_the_same_address_begins_anew(site: Site, known: Known) -> None:
    assert erase(site.at.browser, cancel_subscription=True).status_code == 204
    until_mailed(site, "erased")
    site.sign_in(site.at.browser)
    me = site.at.browser.get("/v1/me").json()
    assert me["id"] != known.reader_id
    assert (me["email"], me["email_verified"], me["grants"]) == (ADDRESS, True, [])
    assert len(site.at.browser.get("/v1/sessions").json()["items"]) == 1
    export = site.at.browser.get("/v1/me/export").json()
    assert (export["subscriptions"], export["checkouts"], export["reads"]) == ([], [], [])
    again = site.at.unlock("b")
    assert (again.json()["consumed"], again.json()["meter"]["used"]) == (True, 1)


@on_sqlite
def test_purchases_under_way(site: Site) -> None:
    """The reader's own can't be paid any more; an anonymous one makes a new reader."""
    browser = site.at.browser
    site.sign_in(browser)
    reader_id = browser.get("/v1/me").json()["id"]
    theirs = site.at.start_checkout().json()["session_id"]
    with site.at.new_browser() as other:
        body = {"offer": site.at.offers["monthly"], "return_to": "/articles/a"}
        anonymous = other.post("/v1/checkout", json=body).json()["session_id"]
        assert erase(browser).status_code == 204
        assert site.at.pay(theirs).status_code != 200
        assert site.at.pay(anonymous).status_code == 200
        back = other.get(f"/v1/checkout/return?session_id={anonymous}")
        assert back.status_code == 303
        assert other.get("/v1/me").json()["id"] != reader_id
    site.at.settle()
    assert reader_row(site, reader_id).email is None
    assert [each.reader_id for each in rows(site.at, Subscription)] != [reader_id]


@dataclass
class Erased:
    """A reader who has been erased, with what they and others still hold."""

    site: Site
    known: Known
    claim: str | None
    unlock_token: str


@pytest.fixture(scope="module")
def erased(request: pytest.FixtureRequest) -> Iterator[Erased]:
    with (
        database_of(request, "sqlite") as url,
        mailing_site(settings_of(url), MovingClocks()) as site,
    ):
        known = known_reader(site)
        with closing(known.other):
            browser = site.at.browser
            claim = browser.cookies.get(cookie_name("checkout", site.at.settings))
            token = known.other.post("/v1/articles/a/unlock").json()["token"]
            assert erase(browser, cancel_subscription=True).status_code == 204
            until_mailed(site, "erased")
            yield Erased(site, known, claim, token)


once_erased = pytest.mark.xdist_group("erased")


@once_erased
def test_the_farewell_goes_to_the_verified_address_once(erased: Erased) -> None:
    assert erase(erased.site.at.browser, cancel_subscription=True).status_code == 401
    until_mailed(erased.site, "erased")
    assert farewells(erased.site) == [ADDRESS]


@once_erased
def test_nobody_gets_in_with_what_they_hold(erased: Erased) -> None:
    at, known = erased.site.at, erased.known
    with at.new_browser() as thief:
        thief.cookies.set(
            cookie_name("session", at.settings), known.session_cookie, domain="127.0.0.1"
        )
        assert thief.post("/v1/session/token").status_code == 401
        assert thief.get("/v1/me").status_code == 401
        assert erase(thief).status_code == 401
    with at.new_browser() as app:
        body = {"refresh_token": known.app["refresh_token"]}
        assert app.post("/v1/session/token", json=body).status_code == 401
        bearer = {"Authorization": f"Bearer {known.app['access_token']}"}
        for path in ("/v1/me", "/v1/me/export", "/v1/sessions"):
            assert app.get(path, headers=bearer).status_code == 401
        _until_refused(app, known.app["access_token"])
        _until_refused(app, erased.unlock_token)
    assert known.other.get("/v1/me").status_code == 401


def _until_refused(app: httpx2.Client, token: str) -> None:
    """Tokens are refused at the service within its interval of background work."""
    bearer = {"Authorization": f"Bearer {token}"}
    full = "/v1/articles/a/full"
    wait_until(lambda: app.get(full, headers=bearer).status_code == 401, "the token is refused")


@once_erased
def test_a_claim_kept_from_before_signs_nobody_in(erased: Erased) -> None:
    at = erased.site.at
    sold = at.simulator.world.store.find("checkout.session", [])[0]["id"]
    with at.new_browser() as thief:
        if erased.claim is not None:
            thief.cookies.set(
                cookie_name("checkout", at.settings), erased.claim, domain="127.0.0.1"
            )
        page = thief.get(f"/v1/checkout/return?session_id={sold}")
        assert page.status_code == 200
        assert thief.get("/v1/me").status_code == 401
    at.settle()
    assert_erased(erased.site, erased.known)


@once_erased
def test_the_audit_trail_keeps_what_was_done_without_words_about_the_reader(
    erased: Erased,
) -> None:
    at = erased.site.at
    (given,) = (each for each in rows(at, AuditEntry) if each.action == "comp.give")
    assert given.after["reader"] == erased.known.reader_id
    assert "note" not in given.after
    again = at.browser.post(
        "/v1/admin/grants", json={"reader_id": erased.known.reader_id, "ends_at": None, "note": "x"},
        headers={"Authorization": f"Bearer {at.api_key}"},
    )  # fmt: skip
    assert again.status_code == 404


@once_erased
def test_what_stripe_says_afterwards_brings_nothing_back(erased: Erased) -> None:
    """The last of them: months pass."""
    at = erased.site.at
    at.settle()
    told = {each.type for each in rows(at, InboxEvent)}
    assert told >= {
        "customer.deleted", "customer.subscription.deleted", "checkout.session.completed",
        "invoice.paid",
    }  # fmt: skip

    async def replay_all(database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(
                update(Job)
                .where(Job.kind == JOB, Job.status == "done")
                .values(status="waiting", due_at=at.clocks.wall())
            )

    for _ in range(2):
        at.in_database(replay_all)
        at.settle()
    at.travel(timedelta(days=62))
    assert_erased(erased.site, erased.known)
    assert len(rows(at, Reader)) == 1
    assert erased.known.other.post("/v1/articles/a/unlock").status_code == 402
