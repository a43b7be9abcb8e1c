"""Leaving and coming back in the portal, and a payment that fails, in Chromium through the demo's pages."""

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Page, expect

from tests.browser.conftest import fill_card, look_at
from tests.browser.test_sign_in import articles, open_article

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
GOOD, ANOTHER_GOOD, WITHOUT_MONEY = (
    "4242 4242 4242 4242", "4000 0000 0000 7726", "4000 0000 0000 0341",
)  # fmt: skip


def subscribe(page: Page) -> None:
    page.goto("/account?currency=USD")  # sold without a trial
    page.get_by_role("radio", name="Monthly").check()
    page.get_by_role("button", name="Subscribe").click()
    fill_card(page, GOOD)
    page.wait_for_url("**/account")
    expect(page.locator(".plan-status")).to_have_text("Active")


def open_portal(page: Page, button: str = "Manage payment, invoices and cancellation") -> None:
    page.goto("/account")
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/_stripe/portal/**")


def back_to_account(page: Page) -> None:
    page.get_by_role("link", name="Back to the site").click()
    page.wait_for_url("**/account")


def give_card(page: Page, number: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_role("button", name="card").click()


def test_cancelled_and_resumed_in_the_portal(visit: Page, size: str) -> None:
    page = visit
    subscribe(page)
    open_portal(page)
    page.get_by_role("button", name="Cancel at the end of the period").click()
    back_to_account(page)
    expect(page.locator(".plan-status")).to_have_text("Cancelled")
    expect(page.locator(".plan")).to_contain_text(
        "You keep your access until then and won’t be charged again."
    )
    look_at(page, size, "billing-cancelled")
    open_article(page, next(articles(page, "subscribers")))

    open_portal(page)
    page.get_by_role("button", name="Keep the subscription").click()
    back_to_account(page)
    expect(page.locator(".plan-status")).to_have_text("Active")
    expect(page.locator(".plan")).to_contain_text("Renews on")
    look_at(page, size, "billing-resumed")


def test_a_renewal_fails_and_another_card_pays_it(visit: Page, size: str) -> None:
    page = visit
    subscribe(page)
    open_portal(page)
    give_card(page, WITHOUT_MONEY)
    back_to_account(page)
    for jump in ("Jump a month", "Jump a day"):
        with page.expect_navigation():
            page.get_by_role("button", name=jump).click()
    page.goto("/account")
    expect(page.locator(".plan-status")).to_have_text("Payment overdue")
    expect(page.locator(".plan")).to_contain_text("You can keep reading until")
    look_at(page, size, "billing-overdue")
    open_article(page, next(articles(page, "subscribers")))
    expect(page.locator(".notice.owing")).to_contain_text("Update your payment details")
    look_at(page, size, "billing-banner")

    open_portal(page, "Pay or update your card")
    look_at(page, size, "billing-portal-owed")
    give_card(page, ANOTHER_GOOD)
    back_to_account(page)
    expect(page.locator(".plan-status")).to_have_text("Active")
    expect(page.get_by_text("couldn’t collect")).to_have_count(0)
    look_at(page, size, "billing-recovered")
    open_article(page, next(articles(page, "subscribers")))
    expect(page.locator(".notice.owing")).to_have_count(0)
