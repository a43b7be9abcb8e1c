"""The whole main job in Chromium, through the real pages: read, wall, pay, read on; the staff's view."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import fill_card, look_at, reader
from tests.demo.process import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Slugs of sample articles, each with words far behind its cut.
ARTICLES = {
    "ferry-timetable-changes": "they will not be able to go home",
    "second-homes-levy": "corrections are welcome there too",
    "oysters-come-back": "the wardens have finished their summer",
}
WALLED, WALLED_WORDS = "mariners-cup-night", "came past during the second half"


def read(page: Page, slug: str, words: str) -> None:
    page.goto(f"/articles/{slug}")
    expect(page.get_by_text(words)).to_be_visible()


def test_read_wall_pay_and_read_on(visit: Page, demo: Demo, chromium: Browser, size: str) -> None:
    page = visit
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ternsey Packet")
    look_at(page, size, "front")

    # Three articles are free; a counter says what is left; a re-read costs nothing.
    for left, (slug, words) in zip((2, 1, 0), ARTICLES.items(), strict=True):
        read(page, slug, words)
        expect(page.locator("#access-line")).to_contain_text(str(left) if left else "You have read")
    look_at(page, size, "article")
    slug, words = next(iter(ARTICLES.items()))
    read(page, slug, words)

    # The fourth ends at the wall; its text isn't in the page.
    page.goto(f"/articles/{WALLED}")
    wall = page.locator(".wall")
    wall.get_by_text("Or subscribe").click()
    offers = wall.locator(".offers")
    expect(offers.get_by_role("button", name="Subscribe")).to_have_count(1)
    expect(offers).to_contain_text("Saves €14.00 a year")
    wall.scroll_into_view_if_needed()
    look_at(page, size, "wall")
    assert WALLED_WORDS not in page.content()

    # A declined card leaves the reader on the Checkout page; "back" returns to the article.
    wall.get_by_role("radio", name="Monthly").check()
    wall.get_by_role("button", name="Start the free trial").click()
    page.wait_for_url("**/_stripe/checkout/**")
    look_at(page, size, "checkout")
    fill_card(page, "4000 0000 0000 0002")
    expect(page.get_by_role("alert")).to_contain_text("declined")
    look_at(page, size, "declined")
    page.get_by_role("link", name="Back without paying").click()
    expect(page.locator(".wall")).to_be_visible()

    # A good card leads back to the very article, open.
    wall.get_by_text("Or subscribe").click()
    wall.get_by_role("button", name="Subscribe").click()
    fill_card(page, "4242 4242 4242 4242")
    page.wait_for_url(f"**/articles/{WALLED}")
    expect(page.get_by_text(WALLED_WORDS)).to_be_visible()
    look_at(page, size, "opened")

    # The subscription outlives a jump over its renewal.
    page.goto("/account")
    look_at(page, size, "account")
    page.get_by_role("button", name="Jump a month").click()
    page.goto("/articles/three-nights-cottage-hospital")
    expect(page.locator(".wall")).to_have_count(0)

    operator_sees_it(chromium, demo, size)


def operator_sees_it(chromium: Browser, demo: Demo, size: str) -> None:
    with reader(chromium, demo, size) as page:
        page.goto("/admin")
        page.get_by_label("E-mail").fill("editor@ternsey.example")
        page.get_by_label("Password").fill(demo.password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("reader@ternsey.example")).to_be_visible()
        look_at(page, size, "back-office")
        page.get_by_role("link", name="reader@ternsey.example").click()
        expect(page.get_by_role("main")).to_contain_text("Mariners")
        look_at(page, size, "subscriber")


def test_reading_works_without_javascript(chromium: Browser, demo: Demo, size: str) -> None:
    with reader(chromium, demo, size, javascript=False) as page:
        for slug, words in ARTICLES.items():
            page.goto(f"/articles/{slug}")
            expect(page.get_by_text(words)).to_have_count(0)
            page.get_by_role("button", name="Continue reading").click()
            expect(page.get_by_text(words)).to_be_visible()
        page.goto(f"/articles/{WALLED}")
        page.locator(".wall").get_by_text("Or subscribe").click()
        page.locator(".wall").get_by_role("button", name="Subscribe").click()
        fill_card(page, "4242 4242 4242 4242")
        expect(page.get_by_text(WALLED_WORDS)).to_be_visible()


def test_time_and_the_portal(visit: Page, size: str) -> None:
    """The meter resets after a month; a subscription cancelled in the portal runs out."""
    page = visit
    for slug, words in ARTICLES.items():
        read(page, slug, words)
    page.goto(f"/articles/{WALLED}")
    expect(page.locator(".wall")).to_be_visible()
    page.get_by_role("button", name="Jump a month").click()
    expect(page.get_by_text(WALLED_WORDS)).to_be_visible()

    page.goto("/account")
    page.get_by_role("button", name="Subscribe").first.click()
    fill_card(page, "4242 4242 4242 4242")
    page.wait_for_url("**/account")
    page.get_by_role("button", name=re.compile("cancellation")).click()
    page.wait_for_url("**/_stripe/portal/**")
    look_at(page, size, "portal")
    page.get_by_role("button", name="Cancel at the end of the period").click()
    page.get_by_role("link", name="Back to the site").click()
    expect(page.get_by_text("runs out").or_(page.get_by_text("Ends on"))).to_be_visible()
    look_at(page, size, "cancelled")


def test_a_wrong_address_leads_on(look: Page, size: str) -> None:
    page = look
    page.goto("/articles/no-such-article")
    expect(page.get_by_role("link").first).to_be_visible()
    look_at(page, size, "not-found")
