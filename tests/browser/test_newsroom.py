"""A newsroom's morning in Chromium: articles, offers and a reader's page, by keyboard."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import fill_card, look_at, look_at_paper, reader
from tests.browser.test_staff import sign_in
from tests.demo.process import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def go(page: Page, subject: str) -> None:
    """To a subject of the navigation, by keyboard."""
    page.get_by_label("Back office").get_by_role("link", name=subject, exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def change_an_article(page: Page, size: str) -> None:
    go(page, "Articles")
    look_at(page, size, "newsroom-articles")
    page.get_by_label("Level now").select_option("metered")
    page.get_by_label("Level now").press("Tab")
    page.get_by_role("button", name="Show", exact=True).press("Enter")
    page.wait_for_url("**level=metered**")
    page.get_by_role("rowheader").first.get_by_role("link").press("Enter")
    title = page.get_by_role("heading", level=1).inner_text()
    page.get_by_text("Access", exact=True).press("Enter")
    look_at(page, size, "newsroom-article")
    page.get_by_label("Level", exact=True).select_option("subscribers")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Readers see the new level at once")
    page.get_by_role("link", name="A reader with no free articles left").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator(".wall")).to_be_visible()
    look_at(page, size, "newsroom-preview")
    page.get_by_role("link", name="A subscriber", exact=True).press("Enter")
    expect(page.locator(".wall")).to_have_count(0)
    page.get_by_role("link", name="Back to the article").press("Enter")


def make_an_offer(page: Page, size: str) -> None:
    go(page, "Offers")
    look_at(page, size, "newsroom-offers")
    page.get_by_role("link", name="New offer").press("Enter")
    page.get_by_label("Name shown to readers").fill("Half a year")
    page.get_by_label("Plan", exact=True).fill("digital")
    page.get_by_label("Price", exact=True).fill("40.00")
    page.get_by_label("Number of intervals").fill("6")
    look_at(page, size, "newsroom-new-offer")
    page.get_by_role("button", name="Continue").press("Enter")
    expect(page.get_by_text("Half a year: €40.00 every 6 months")).to_be_visible()
    page.get_by_role("button", name="Put on sale").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Readers can buy it now")
    look_at(page, size, "newsroom-offer")
    page.get_by_label("I am sure").press("Space")
    page.get_by_role("button", name="End offer").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Nobody can buy it any more")


def help_a_reader(page: Page, size: str) -> None:
    go(page, "Readers")
    look_at(page, size, "newsroom-readers")
    page.get_by_role("rowheader").first.get_by_role("link").press("Enter")
    page.get_by_label("New note").fill("Called about the invoice.")
    page.get_by_role("button", name="Add note").press("Enter")
    expect(page.get_by_text("Called about the invoice.")).to_be_visible()
    page.get_by_label("Article URL or slug").fill("second-homes-levy")
    page.get_by_role("button", name="Check access").press("Enter")
    expect(page.get_by_role("status")).to_contain_text(re.compile("Open|Closed"))
    look_at(page, size, "newsroom-reader")


def look_at_the_figures(page: Page, size: str) -> None:
    """From the first page by a figure, and a value of it, to the readers behind it."""
    go(page, "Today")
    look_at(page, size, "newsroom-today")
    page.get_by_role("link", name="MRR movements", exact=True).press("Enter")
    page.wait_for_url("**/admin/reports/mrr-movements**")
    look_at(page, size, "newsroom-mrr-movements")
    page.locator("td a[href*='kind=new']").first.press("Enter")
    page.wait_for_url("**/admin/movements?**kind=new**")
    expect(page.get_by_label("Movement", exact=True)).to_have_value("new")
    look_at(page, size, "newsroom-movements")
    page.get_by_role("rowheader").first.get_by_role("link").press("Enter")
    page.wait_for_url("**/admin/subscribers/**")
    expect(page.get_by_text("Subscribed to").first).to_be_visible()
    look_at(page, size, "newsroom-reader-behind")
    go(page, "Reports")
    look_at(page, size, "newsroom-reports")
    page.get_by_role("link", name="Cohort retention", exact=True).press("Enter")
    page.wait_for_url("**/cohort-retention")
    look_at(page, size, "newsroom-cohorts")
    go(page, "Money")
    look_at(page, size, "newsroom-money")


def set_rules(page: Page) -> None:
    """A meter of its own and a prompt, which paper shows too."""
    page.goto("/admin/rules")
    meter = page.get_by_role("group", name="New meter").first
    meter.get_by_label("Name", exact=False).first.fill("magazine")
    meter.get_by_label("Sections, one per line").fill("Magazine")
    meter.get_by_label("Free articles for registered readers").fill("2")
    prompt = page.get_by_role("group", name="New prompt").first
    prompt.get_by_label("Internal name").fill("Come back")
    prompt.get_by_label("Headline").fill("We have kept your seat")
    page.get_by_role("button", name="Save the rules").press("Enter")
    expect(page.get_by_role("group", name="Come back", exact=True)).to_be_visible()


def test_a_morning_in_the_newsroom(chromium: Browser, demo: Demo, size: str) -> None:
    with reader(chromium, demo, size) as buying:
        buying.goto("/account")
        buying.get_by_role("button", name="Subscribe").first.click()
        fill_card(buying, "4242 4242 4242 4242")
        buying.wait_for_url("**/account")
    with reader(chromium, demo, size) as page:
        sign_in(page, demo)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        look_at_the_figures(page, size)
        change_an_article(page, size)
        make_an_offer(page, size)
        help_a_reader(page, size)
        page.goto("/admin/operators")
        page.get_by_label("E-mail address").fill("ana@example.org")
        page.get_by_label("Initial password").fill("a long first password")
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_label("Role of ana@example.org", exact=True)).to_have_value("viewer")
        look_at_paper(page, "newsroom-operators")
        set_rules(page)
        for name in ("rules", "crawlers"):
            page.goto(f"/admin/{name}")
            expect(page.locator("main .unframed select").first).to_be_visible()
            look_at_paper(page, f"newsroom-{name}")
        page.goto("/admin/settings")
        expect(page.get_by_text("PAYWALL_METER_LIMIT")).to_be_visible()
        look_at(page, size, "newsroom-settings")
