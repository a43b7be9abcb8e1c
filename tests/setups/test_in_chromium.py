"""The recipes of sister hosts and foreign sites in a real browser, with its rules for cookies.

Chromium leads every name under `localhost` to this machine. `www.gazette.localhost` and
`api.gazette.localhost` are one site for it; `127.0.0.1` and `localhost` are two.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from tests.chromium import new_profile, running_chromium
from tests.conftest import MovingClocks
from tests.ports import free_port
from tests.served import CANARY, Installation, installation
from tests.setups.frontends import MAIL_FROM, newest_mail_to, site_with
from tests.setups.recipes import recipe

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the group browser")

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
ANA = "ana@example.org"


@pytest.fixture
def database_url(tmp_path: Path, migrated_file: Path) -> str:
    """One database is enough here: pages don't know which it is."""
    return f"sqlite:///{shutil.copyfile(migrated_file, tmp_path / 'paywall.db')}"


class Frontend:
    """Pages of a recipe on a listed origin, and the same on one that isn't listed."""

    def __init__(self, made: Installation, site: str, unlisted: str) -> None:
        self.made, self.site, self.unlisted = made, site, unlisted
        self.api = made.settings.public_url

    def open(self, page: Any, path: str, site: str | None = None) -> Any:
        page.goto(f"{site or self.site}{path}")
        page.wait_for_function("window.frontend")
        return page

    def pay(self, page: Any) -> None:
        """Pay at the local Stripe's page, where the browser is now, and come back."""
        page.get_by_label("E-mail").fill(ANA)
        page.get_by_label("Name on the card").fill("A Reader")
        page.get_by_label("Card number").fill("4242 4242 4242 4242")
        page.get_by_role("button", name="Pay").click()


def running(
    settings: Settings, clocks: MovingClocks, title: str, names: tuple[str, str, str]
) -> Iterator[Frontend]:
    """The recipe's frontend; names of the API's host, of the site's and of one that isn't listed."""
    port, site_port, unlisted_port = free_port(), free_port(), free_port()
    api, site, unlisted = (
        f"http://{name}:{each}"
        for name, each in zip(names, (port, site_port, unlisted_port), strict=True)
    )
    settings = settings.model_copy(update={"allowed_origins": (site,), "mail_from": MAIL_FROM})
    example = "https://api.example.org" if title == "sister.js" else "https://paywall.example.net"
    script = recipe(title, {example: api})
    with (
        installation(settings, clocks, port=port, public_url=api) as made,
        site_with(script, site_port),
        site_with(script, unlisted_port),
    ):
        for slug in ("a", "b", "c", "d"):
            made.publish(slug)
        made.publish("paid", access={"level": "subscribers"})
        yield Frontend(made, site, unlisted)


@pytest.fixture
def sister(settings: Settings, clocks: MovingClocks) -> Iterator[Frontend]:
    names = ("api.gazette.localhost", "www.gazette.localhost", "www.elsewhere.localhost")
    yield from running(settings, clocks, "sister.js", names)


@pytest.fixture
def foreign(settings: Settings, clocks: MovingClocks) -> Iterator[Frontend]:
    names = ("localhost", "127.0.0.1", "127.0.0.1")
    yield from running(settings, clocks, "reader.js", names)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def profile(chromium: Any) -> Iterator[Callable[[], Any]]:
    """A new browser profile with a page, at each call."""
    contexts = []

    def new_page() -> Any:
        contexts.append(new_profile(chromium))
        return contexts[-1].new_page()

    yield new_page
    for context in contexts:
        context.close()


def unlock(page: Any, slug: str) -> str:
    reason: str = page.evaluate("slug => frontend.paywall.unlock(slug).then(a => a.reason)", slug)
    return reason


def sign_in(frontend: Frontend, page: Any) -> None:
    """By the code of the mail, on the page where it was asked for."""
    asked = page.evaluate("email => frontend.paywall.signIn(email, location.href)", ANA)
    code = newest_mail_to(frontend.made, ANA).code
    page.evaluate(
        "([requestId, code]) => frontend.paywall.confirm({requestId, code})",
        [asked["request_id"], code],
    )


def who(page: Any) -> Any:
    """The address of who is signed in, or the status of the refusal."""
    return page.evaluate("frontend.paywall.me().then(me => me.email, fault => fault.status)")


def test_sister_host(sister: Frontend, profile: Callable[[], Any]) -> None:
    page = sister.open(profile(), "/articles/a")
    assert [unlock(page, slug) for slug in "abcd"] == ["meter"] * 3 + ["meter_exhausted"]

    # The cookie alone knows the device again; it isn't the site's, and no script can read it.
    page.evaluate("localStorage.clear()")
    seen = page.evaluate("frontend.paywall.access('a')")
    assert (seen["reason"], seen["would_consume"]) == ("meter", False)
    assert page.evaluate("document.cookie") == ""
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["domain"]) == ("pw_device", "api.gazette.localhost")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")

    sign_in(sister, page)
    assert who(page) == ANA
    assert unlock(page, "d") == "meter"  # the registered reader's own

    sister.open(page, "/articles/paid")
    checkout = page.evaluate(
        "offer => frontend.paywall.checkout(offer, location.href)", sister.made.offers["monthly"]
    )
    page.goto(checkout["url"])
    sister.pay(page)
    page.wait_for_url(f"{sister.site}/articles/paid")
    page.wait_for_function("window.frontend")
    opened = page.evaluate("frontend.paywall.unlock('paid')")
    assert opened["reason"] == "subscription"
    assert CANARY in opened["article"]["body_html"]

    page.evaluate("frontend.paywall.signOut()")
    assert who(page) == 401


def test_sister_host_by_the_mails_link(sister: Frontend, profile: Callable[[], Any]) -> None:
    page = sister.open(profile(), "/articles/a")
    page.evaluate("email => frontend.paywall.signIn(email, location.href)", ANA)
    token = newest_mail_to(sister.made, ANA).token
    page.goto(f"{sister.api}/account/sign-in?token={token}")
    page.get_by_role("main").get_by_role("button").first.click()
    page.wait_for_url(f"{sister.site}/articles/a")
    page.wait_for_function("window.frontend")
    assert who(page) == ANA


def test_foreign_site(foreign: Frontend, profile: Callable[[], Any]) -> None:
    page = foreign.open(profile(), "/articles/a")
    assert [unlock(page, slug) for slug in "abcd"] == ["meter"] * 3 + ["meter_exhausted"]
    foreign.open(page, "/articles/paid")
    assert unlock(page, "d") == "meter_exhausted"  # the device's token is kept over pages
    assert unlock(page, "paid") == "subscribers_only"

    # Paid as somebody unknown; the claim that this site kept signs the reader in.
    with page.expect_navigation(url="**/checkout/**"):
        page.evaluate("offer => void frontend.buy(offer)", foreign.made.offers["monthly"])
    foreign.pay(page)
    page.get_by_role("link", name="Go to the front page").click()
    page.wait_for_url(f"{foreign.site}/")
    page.wait_for_function("window.frontend")
    assert page.evaluate("frontend.finishCheckout()") == f"{foreign.site}/articles/paid"
    assert page.evaluate("frontend.finishCheckout()") is None
    assert unlock(page, "paid") == "subscription"

    # Other pages have to refresh first; two at once, in two tabs, sign nobody out.
    foreign.open(page, "/articles/paid")
    other = foreign.open(page.context.new_page(), "/articles/paid")
    for tab in (page, other):
        tab.evaluate("void (window.answered = frontend.paywall.token())")
    assert all(tab.evaluate("window.answered") for tab in (page, other))
    assert unlock(other, "paid") == "subscription"

    page.evaluate("frontend.paywall.signOut()")
    assert [who(tab) for tab in (page, other)] == [401, 401]
    assert unlock(page, "paid") == "subscribers_only"
    assert page.context.cookies(foreign.site) == []


def test_foreign_site_signs_in_by_code(foreign: Frontend, profile: Callable[[], Any]) -> None:
    page = foreign.open(profile(), "/articles/a")
    sign_in(foreign, page)
    foreign.open(page, "/articles/b")
    assert who(page) == ANA
    assert page.context.cookies() == []


def test_a_foreign_site_reads_where_storage_is_blocked(
    foreign: Frontend, profile: Callable[[], Any]
) -> None:
    page = profile()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', "
        "{get() { throw new DOMException('blocked', 'SecurityError'); }})"
    )
    foreign.open(page, "/articles/a")
    assert unlock(page, "a") == "meter"
    assert page.evaluate("frontend.finishCheckout()") is None
    sign_in(foreign, page)
    assert who(page) == ANA


def test_a_sister_that_is_not_listed_gets_nothing(
    sister: Frontend, profile: Callable[[], Any]
) -> None:
    page = sister.open(profile(), "/articles/a", site=sister.unlisted)
    fault = page.evaluate("frontend.paywall.unlock('a').catch(fault => fault.message)")
    assert fault.startswith(f"{sister.unlisted} isn't listed")
    asked = "frontend.paywall.signIn('ana@example.org', '/').catch(fault => `${fault.status}`)"
    assert page.evaluate(asked) == "0"
    assert page.context.cookies() == []


def test_a_foreign_site_that_is_not_listed_gets_nothing(
    foreign: Frontend, profile: Callable[[], Any]
) -> None:
    page = foreign.open(profile(), "/articles/a", site=foreign.unlisted)
    fault = page.evaluate("frontend.paywall.unlock('a').catch(fault => fault.message)")
    assert fault.startswith(f"{foreign.unlisted} isn't listed")
    assert page.evaluate("Object.keys(localStorage)") == []
