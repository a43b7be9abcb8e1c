"""Signing in, in Chromium through the demo's pages and its mailbox: buyers, newcomers, two devices."""

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import fill_card, look_at, reader
from tests.demo.process import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
BUYER = "reader@ternsey.example"
"""Whom `fill_card` types in Checkout."""


def articles(page: Page, level: str) -> Iterator[str]:
    """The slugs of the demo's articles of this level, the newest first."""
    listed = page.request.get("/v1/articles?limit=100").json()["items"]
    return (each["slug"] for each in listed if each["access"]["level"] == level)


def newest_mail(page: Page) -> Page:
    """The mail that `page` tells to look for in the demo's mailbox, in a tab of its own."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    tab = page.context.new_page()
    tab.goto("/mailbox")
    tab.locator(".mails a").first.click()
    return tab


def code_from_mail(page: Page) -> str:
    mail = newest_mail(page)
    found = re.search(
        r"^\s*(\d{3}) ?(\d{3})\s*$", mail.locator(".mail-text").inner_text(), re.MULTILINE
    )
    mail.close()
    assert found is not None
    return found[1] + found[2]


def press_tab_until(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} isn't reached by keyboard")


def open_article(page: Page, slug: str) -> None:
    page.goto(f"/articles/{slug}")
    expect(page.locator(".prose.paywall")).to_be_visible()


def test_buy_confirm_and_read_on_two_devices(
    visit: Page, demo: Demo, chromium: Browser, size: str
) -> None:
    page = visit
    paid = next(articles(page, "subscribers"))
    page.goto(f"/articles/{paid}")
    expect(page.locator(".wall")).to_contain_text("Already a subscriber?")
    page.locator(".wall").scroll_into_view_if_needed()
    look_at(page, size, "wall-subscribers")
    page.locator(".wall").get_by_role("button", name="Subscribe").first.click()
    fill_card(page, "4242 4242 4242 4242")

    # The page after the purchase asks for the address that was typed there, which can be changed.
    page.wait_for_url(f"**/articles/{paid}")
    expect(page.get_by_label("E-mail address")).to_have_value(BUYER)
    look_at(page, size, "confirm")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    look_at(page, size, "code")
    mail = newest_mail(page)
    mail.locator(".mail-text a").click()
    look_at(mail, size, "link")
    mail.get_by_role("button", name="Sign in").dblclick()
    mail.wait_for_url(f"**/articles/{paid}")
    expect(mail.locator(".prose.paywall")).to_be_visible()
    expect(mail.get_by_text("Confirm your e-mail address")).to_have_count(0)
    page.goto("/account")
    expect(page.get_by_text("Address confirmed")).to_be_visible()

    with reader(chromium, demo, size) as other:
        sign_in_by_code(other, BUYER)
        other.wait_for_url("**/account")
        devices = other.locator(".devices li")
        expect(devices).to_have_count(2)
        expect(devices.first).to_contain_text("This device")
        look_at(other, size, "devices")
        devices.nth(1).get_by_role("button", name="Sign out").click()
        expect(devices).to_have_count(1)
        page.goto(f"/articles/{paid}")
        expect(page.locator(".wall")).to_be_visible()
        page.goto("/account")
        expect(page.get_by_role("main")).to_contain_text("You are no longer signed in")
        look_at(page, size, "signed-out")
        erase(other, size)


def sign_in_by_code(page: Page, email: str) -> None:
    page.goto("/account/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.keyboard.press("Enter")
    page.get_by_label("Six-digit code").fill(code_from_mail(page))
    page.keyboard.press("Enter")


def erase(page: Page, size: str) -> None:
    page.get_by_role("link", name="Delete my account").click()
    button = page.get_by_role("button", name="Delete my account")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("You still have an active subscription")
    look_at(page, size, "erase")
    page.get_by_role("checkbox").check()
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account has been deleted")
    look_at(page, size, "erased")
    page.goto("/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Read everything")


def test_a_registered_article_asks_to_sign_in(look: Page, size: str) -> None:
    page = look
    page.goto(f"/articles/{next(articles(page, 'registered'))}")
    expect(page.locator(".wall")).to_contain_text("This article is for registered readers.")
    expect(page.locator(".kicker").first).to_contain_text("Registered readers")
    page.locator(".wall").scroll_into_view_if_needed()
    look_at(page, size, "wall-registered")


def test_a_newcomer_registers_at_the_wall_by_keyboard_and_reads_on(visit: Page, size: str) -> None:
    page = visit
    metered = articles(page, "metered")
    for _ in range(3):
        open_article(page, next(metered))
    fourth = next(metered)
    page.goto(f"/articles/{fourth}")
    expect(page.locator(".wall h2")).to_have_text("Read 5 more articles this month, free")
    expect(page.locator(".prose.paywall")).to_have_count(0)
    page.locator(".wall").scroll_into_view_if_needed()
    look_at(page, size, "wall-register")

    press_tab_until(page, "#email")
    page.keyboard.type("newcomer@ternsey.example")
    press_tab_until(page, ".wall .field-form button")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Six-digit code")).to_be_focused()
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This code is incorrect or has expired.")
    look_at(page, size, "code-wrong")
    page.get_by_label("Six-digit code").fill(code_from_mail(page))
    page.keyboard.press("Enter")

    # Back at the article, which is open; five articles are the reader's own.
    page.wait_for_url(f"**/articles/{fourth}")
    expect(page.locator(".prose.paywall")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("You have 4 free articles left")
    for left in (3, 2, 1, 0):
        open_article(page, next(metered))
        articles_left = "1 free article" if left == 1 else f"{left} free articles"
        told = f"{articles_left} left" if left else "You have read your 5 free articles"
        expect(page.get_by_role("status")).to_contain_text(told)
    open_article(page, next(articles(page, "registered")))
    page.goto(f"/articles/{next(articles(page, 'subscribers'))}")
    expect(page.locator(".wall h2")).to_have_text("Subscribe to read on")
    expect(page.locator(".wall")).not_to_contain_text("Sign in")
    page.goto("/account")
    look_at(page, size, "account-registered")


def test_a_wall_that_the_script_shows_takes_the_address_too(visit: Page, size: str) -> None:
    page = visit
    metered = articles(page, "metered")
    slug, *others = [next(metered) for _ in range(4)]

    def use_up(route: Route) -> None:
        if route.request.method == "POST":
            for each in others:  # another tab is faster
                page.request.post(f"/v1/articles/{each}/unlock")
        route.continue_()

    page.goto(f"/articles/{others[0]}")
    expect(page.locator(".prose.paywall")).to_be_visible()
    page.route(f"**/articles/{slug}", use_up)
    page.goto(f"/articles/{slug}")
    wall = page.locator(".wall")
    expect(wall.get_by_role("heading", level=2)).to_have_text(
        "Read 5 more articles this month, free"
    )
    wall.get_by_text("Or subscribe").click()
    expect(wall.get_by_role("button", name="Subscribe")).to_have_count(1)
    expect(wall).not_to_contain_text("Already a subscriber?")
    wall.scroll_into_view_if_needed()
    look_at(page, size, "wall-by-script")
    wall.get_by_label("E-mail address").fill("late@ternsey.example")
    page.keyboard.press("Enter")
    page.get_by_label("Six-digit code").fill(code_from_mail(page))
    page.keyboard.press("Enter")
    page.unroute(f"**/articles/{slug}")
    page.wait_for_url(f"**/articles/{slug}")
    expect(page.locator(".prose.paywall")).to_be_visible()


def test_two_tabs_share_one_refresh(chromium: Browser, standing_demo: Demo) -> None:
    with reader(chromium, standing_demo, "desktop") as page:
        sign_in_by_code(page, "tabs@ternsey.example")
        page.wait_for_url("**/account")
        tabs = [page, page.context.new_page()]
        asked: list[str] = []
        page.context.on("request", lambda request: asked.append(request.url))
        for tab in tabs:
            tab.goto("/problems")
            tab.evaluate(
                "import('/static/paywall.js').then(({ Paywall }) => {"
                "  const paywall = Paywall();"
                "  addEventListener('now', () => { window.held = paywall.token(); });"
                "  return paywall.signOut.name; })"
            )
        for tab in tabs:
            tab.evaluate("dispatchEvent(new Event('now'))")
        tokens = {tab.evaluate("window.held") for tab in tabs}
        assert len(tokens) == 1
        assert len([url for url in asked if url.endswith("/v1/session/token")]) == 1


def test_signing_in_works_without_javascript(
    chromium: Browser, standing_demo: Demo, size: str
) -> None:
    with reader(chromium, standing_demo, size, javascript=False) as page:
        page.goto("/account")
        page.get_by_label("E-mail address").fill("ana@b")
        page.get_by_role("button", name="Send me a link").click()
        expect(page.get_by_role("alert")).to_contain_text("Enter a valid e-mail address")
        expect(page.get_by_label("E-mail address")).to_have_value("ana@b")
        page.get_by_label("E-mail address").fill("ana@ternsey.example")
        page.get_by_role("button", name="Send me a link").click()
        mail = newest_mail(page)
        mail.locator(".mail-text a").click()
        link = mail.url
        mail.get_by_role("button", name="Sign in").click()
        expect(mail.get_by_role("heading", level=1)).to_have_text("Your account")
        mail.goto(link)
        mail.get_by_role("button", name="Sign in").click()  # used: but signed in by it
        expect(mail.get_by_role("heading", level=1)).to_have_text("Your account")
        mail.get_by_role("button", name="Sign out").click()
        expect(mail.get_by_role("heading", level=1)).to_have_text("Read everything")
        mail.goto(link)
        mail.get_by_role("button", name="Sign in").click()
        expect(mail.get_by_role("heading", level=1)).to_contain_text("has expired")
        expect(mail.get_by_label("E-mail address")).to_have_value("")


def test_the_forms_look_good(look: Page, size: str) -> None:
    page = look
    page.goto("/account/sign-in")
    look_at(page, size, "sign-in")
    page.get_by_label("E-mail address").fill("ana@b")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    look_at(page, size, "sign-in-wrong")
    page.goto("/account/sign-in?token=used")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("has expired")
    look_at(page, size, "link-refused")
    page.goto("/account")
    look_at(page, size, "subscribe")
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/", "/account", "/account/sign-in", "/account/sign-in?token=x"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
