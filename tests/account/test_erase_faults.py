"""Erasing and exporting while Stripe is away, parts fail, or others write: nothing is half done."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from service.account.erase import erase_reader
from service.billing.customers import bind_customer
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry, Checkout, Subscription
from service.payments.gateway import Gateway
from service.settings import Settings
from tests.account.known_reader import ADDRESS, Known, Site, known_reader, mailing_site
from tests.account.test_erase import assert_erased, erase, farewells, reader_row, until_mailed
from tests.checkout.rows import rows
from tests.checkout.test_outage import service_beside, stripe_that
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE, wait_until

MANY = 8


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Site]:
    """Stripe tells nothing by itself: what is known is what was asked."""
    with mailing_site(settings, clocks, webhooks=False) as made:
        yield made


@pytest.fixture
def known(site: Site) -> Iterator[Known]:
    made = known_reader(site)
    with closing(made.other):
        yield made


def _statuses(site: Site) -> list[str]:
    return [each["status"] for each in site.at.simulator.world.store.find("subscription", [])]


@on_sqlite
def test_stripe_is_away_or_has_no_key_here(site: Site, known: Known) -> None:
    cookies = dict(site.at.browser.cookies)
    for fails in ("is down", "is silent", "500"):
        with (
            stripe_that(fails) as stripe_url,
            service_beside(site.at, stripe_url) as beside,
            beside.new_browser() as browser,
        ):
            browser.cookies.update(cookies)
            with ThreadPoolExecutor(2) as pool:
                exported = pool.submit(browser.get, "/v1/me/export")
                erased = pool.submit(erase, browser, cancel_subscription=True)
                answers = [exported.result(), erased.result()]
            for answer in answers:
                assert answer.status_code == 503, (fails, answer.text)
                assert answer.json()["type"] == "/problems/stripe-unavailable"
                assert int(answer.headers["Retry-After"]) > 0
                assert "Set-Cookie" not in answer.headers
    with pytest.raises(Exception, match="selling-is-off"):
        site.at.in_database(lambda database: erase_by(site, known, database, None))
    assert reader_row(site, known.reader_id).email == ADDRESS
    assert site.at.unlock("a").json()["reason"] == "subscription"
    assert erase(site.at.browser, cancel_subscription=True).status_code == 204


async def erase_by(site: Site, known: Known, database: Database, gateway: Gateway | None) -> None:
    """In a process of its own; `gateway` None: without a key for Stripe."""
    context = Context(site.at.settings, site.at.clocks, database)
    await erase_reader(context, gateway, reader_id=known.reader_id, cancel_subscription=True)


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """The gateway of a process that ends after, or before, a call of this name."""

    def __init__(self, gateway: Gateway, call: str, *, after: bool) -> None:
        self._gateway, self._call, self._after = gateway, call, after

    def __getattr__(self, name: str) -> object:
        real = getattr(self._gateway, name)
        if name != self._call:
            return real

        async def die(*arguments: object) -> object:
            if self._after:
                await real(*arguments)
            raise Killed

        return die


@on_sqlite
def test_killed_between_stripe_and_us(site: Site, known: Known) -> None:
    """Again and again, a call further each time; who is asked once more erases the reader."""
    for call, after in (
        ("retrieve_subscription", False), ("delete_customer", False), ("delete_customer", True),
    ):  # fmt: skip
        with pytest.raises(Killed):
            erase_by_a_dying_process(site, known, call, after=after)
        assert reader_row(site, known.reader_id).email == ADDRESS
    assert erase(site.at.browser, cancel_subscription=True).status_code == 204
    until_mailed(site, "erased")
    assert_erased(site, known)
    assert _statuses(site) == ["canceled"]


def erase_by_a_dying_process(site: Site, known: Known, call: str, *, after: bool) -> None:
    async def attempt(database: Database) -> None:
        gateway = site.at.new_gateway()
        dying: Gateway = Dying(gateway, call, after=after)  # type: ignore[assignment]  # it has all of it
        try:
            await erase_by(site, known, database, dying)
        finally:
            await gateway.close()

    site.at.in_database(attempt)


def test_many_at_once_erase_once(site: Site, known: Known) -> None:
    cookies = dict(site.at.browser.cookies)

    def go(_: int) -> int:
        with site.at.new_browser() as browser:
            browser.cookies.update(cookies)
            return erase(browser, cancel_subscription=True).status_code

    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(go, range(MANY)))
    assert 204 in answers
    assert set(answers) <= {204, 401}
    until_mailed(site, "erased")
    assert len(farewells(site)) == 1
    assert_erased(site, known)


def test_what_runs_meanwhile_ties_nothing_to_the_reader(site: Site, known: Known) -> None:
    stop = threading.Event()
    seen: list[int] = []
    cookies = dict(site.at.browser.cookies)
    refresh = known.app["refresh_token"]

    def read(slug: str) -> None:
        with site.at.new_browser() as browser:
            browser.cookies.update(cookies)
            while not stop.is_set():
                seen.append(site.at.unlock(slug, browser).status_code)
                seen.append(browser.get(f"/articles/{slug}").status_code)

    def renew() -> None:
        token = refresh
        with site.at.new_browser() as app:
            while not stop.is_set():
                answer = app.post("/v1/session/token", json={"refresh_token": token})
                seen.append(answer.status_code)
                token = answer.json().get("refresh_token", token)

    threads = [
        threading.Thread(target=read, args=("a",)), threading.Thread(target=read, args=("b",)),
        threading.Thread(target=renew),
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    try:
        answer = erase(site.at.browser, cancel_subscription=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert answer.status_code == 204
    assert set(seen) <= {200, 401, 402}
    until_mailed(site, "erased")

    def devices() -> set[str | None]:
        stored = rows(site.at, AccessEntry)
        return {each.device_id for each in stored if each.reader_id == known.reader_id}

    def swept() -> bool:
        site.sweep()
        return devices() == {None}

    # The browsers still held their device's cookie: what they read since is nobody's. Of what was noted
    # before, the last may be written after the first sweep.
    wait_until(swept, "no read leads from the reader to a device")
    row = reader_row(site, known.reader_id)
    assert (row.email, row.verified_key) == (None, None)


@on_sqlite
def test_a_purchase_paid_a_moment_ago_is_given_up_knowingly_too(site: Site) -> None:
    browser = site.at.browser
    site.sign_in(browser)
    session_id = site.at.start_checkout().json()["session_id"]
    assert site.at.pay(session_id).status_code == 200
    answer = erase(browser)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/subscription-runs")
    assert erase(browser, cancel_subscription=True).status_code == 204
    assert _statuses(site) == ["canceled"]
    assert [each.status for each in rows(site.at, Subscription)] == ["canceled"]
    assert [each.device_id for each in rows(site.at, Checkout)] == [None]


def test_a_purchase_that_begins_meanwhile_is_swept(site: Site) -> None:
    """The customer that a checkout made after the account was gone is deleted at Stripe too."""
    browser = site.at.browser
    site.sign_in(browser)
    reader_id = browser.get("/v1/me").json()["id"]
    assert erase(browser).status_code == 204

    async def late(database: Database) -> None:
        gateway = site.at.new_gateway()
        made = await gateway.create_customer(reader_id=reader_id, email=ADDRESS)
        async with database.transaction() as session:
            await bind_customer(
                session, customer_id=made.id, reader_id=reader_id, now=site.at.clocks.business()
            )
        await gateway.close()

    site.at.in_database(late)
    site.sweep()
    (customer,) = site.at.simulator.world.store.find("customer", [])
    assert customer["deleted"] is True
