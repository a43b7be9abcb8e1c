"""Giving: an article to a stranger by a link that opens it by itself, and the pages around gifts and seats."""

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, expect

from tests.browser.conftest import fill_card, look_at, reader
from tests.browser.test_sign_in import newest_mail
from tests.demo.process import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SLUG = "mariners-cup-night"
PAGES = ("/gift", "/account/gifts", "/account/gift-subscriptions", "/account/seats")
STAFF_PAGES = ("/admin/gift-links", "/admin/gift-subscriptions", "/admin/seats")


def test_a_subscriber_gives_an_article_to_a_stranger(
    chromium: Browser, demo: Demo, size: str
) -> None:
    with reader(chromium, demo, size) as giver:
        giver.goto("/account")
        giver.get_by_role("button", name="Subscribe").first.click()
        fill_card(giver, "4242 4242 4242 4242")
        giver.wait_for_url("**/account")
        giver.goto(f"/articles/{SLUG}")
        giver.get_by_role("link", name="Gift this article").click()
        giver.get_by_role("button", name="Create a link").click()
        link = giver.get_by_label("Share this link").input_value()
        look_at(giver, size, "give")
        for path in PAGES:
            giver.goto(path)
            look_at(giver, size, path.strip("/").replace("/", "-"))
        giver.set_viewport_size({"width": 320, "height": 700})
        for path in (*PAGES, f"/articles/{SLUG}/give"):
            giver.goto(path)
            assert giver.evaluate("document.documentElement.scrollWidth") <= 320, path
        with reader(chromium, demo, size) as friend:
            friend.goto(link.removeprefix(demo.url))
            expect(friend.locator(".prose.preview")).to_have_count(0)
            expect(friend.locator(".wall")).to_have_count(0)
            look_at(friend, size, "given")
    with reader(chromium, demo, size) as staff:
        staff.goto("/admin")
        staff.get_by_label("E-mail").fill("editor@ternsey.example")
        staff.get_by_label("Password").fill(demo.password)
        staff.get_by_role("button", name="Sign in").click()
        expect(staff.get_by_role("heading", level=1)).to_have_text("Today")
        for path in STAFF_PAGES:
            staff.goto(path)
            look_at(staff, size, path.strip("/").replace("/", "-"))


def test_a_subscription_is_given_and_redeemed(chromium: Browser, demo: Demo, size: str) -> None:
    with reader(chromium, demo, size) as giver:
        giver.goto("/")
        giver.get_by_role("link", name="Gift a subscription").click()
        look_at(giver, size, "gift-on-sale")
        giver.get_by_role("button", name="Pay for the gift").click()
        fill_card(giver, "4242 4242 4242 4242")
        giver.wait_for_url("**/account/gift-subscriptions*")
        link = giver.get_by_label("Gift link").input_value()
        look_at(giver, size, "gift-bought")
    with reader(chromium, demo, size) as friend:
        friend.goto(link.removeprefix(demo.url))
        friend.get_by_label("E-mail address").fill("friend@ternsey.example")
        friend.keyboard.press("Enter")
        mail = newest_mail(friend)
        mail.locator(".mail-text a").click()
        mail.get_by_role("button", name="Sign in").click()
        mail.get_by_role("button", name="Redeem gift").click()
        expect(mail.get_by_role("main")).to_contain_text("You have access to the plan")
        look_at(mail, size, "gift-redeemed")
        mail.goto(f"/articles/{SLUG}")
        expect(mail.locator(".wall")).to_have_count(0)
