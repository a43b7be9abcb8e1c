"""What readers meet, one after the other: the countdown, walls for each of them, seats, and print subscribers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import fill_card, look_at, reader
from tests.browser.test_sign_in import articles, open_article, sign_in_by_code
from tests.demo.process import Demo
from tests.forked import command, without_settings
from tests.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PROMPTS = [
    {"name": "last", "place": "countdown", "title": "{left} of {limit} left", "text": ""},
    {"name": "back", "title": "We have missed you", "text": "", "audiences": ["trial_used"]},
]
TEAM = {
    "name": "Team", "plan": "digital", "amount": 500, "currency": "EUR", "interval": "month",
    "most_seats": 5,
}  # fmt: skip
RIGHT = {"plan": "digital", "account_number": "KD-0815", "postcode": "1000-001"}


SCOPES = ("articles:write", "offers:write", "subscribers:write")


@contextmanager
def newsroom(demo: Demo) -> Iterator[httpx2.Client]:
    """The programs' API, with a key."""
    scopes = [each for scope in SCOPES for each in ("--scope", scope)]
    arguments = ("api-keys", "create", "--label", "tests", *scopes)
    with command(*arguments, environment={**without_settings(), **demo.environment}) as made:
        assert made.wait() == 0, made.err
        key = made.out.split()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=demo.url, headers=headers, timeout=PATIENCE) as client:
        yield client


def test_walls_and_what_opens_them(chromium: Browser, demo: Demo, size: str) -> None:
    with newsroom(demo) as staff:
        rules: dict[str, Any] = staff.get("/v1/admin/rules").json()["rules"]
        for answer in (
            staff.put("/v1/admin/rules", json={**rules, "prompts": PROMPTS}),
            staff.post("/v1/admin/offers", json=TEAM),
            staff.put("/v1/admin/entitlements/print/1", json=RIGHT),
        ):
            assert answer.is_success, answer.text
    with reader(chromium, demo, size) as owner, reader(chromium, demo, size) as guest:
        share(owner, guest, size)
    with reader(chromium, demo, size) as page:
        subscribe_in_print(page, size)
    with reader(chromium, demo, size) as page:
        meet_walls(page, size)


def share(owner: Page, guest: Page, size: str) -> None:
    """Buy seats, and take one."""
    owner.goto("/account")
    owner.get_by_role("radio", name="Team").check()
    owner.get_by_label("Number of readers").fill("3")
    owner.get_by_role("button", name="Subscribe").first.click()
    fill_card(owner, "4242 4242 4242 4242")
    owner.wait_for_url("**/account")
    owner.get_by_role("link", name="Your seats").click()
    owner.get_by_role("button", name="Invite").click()
    link = owner.get_by_label("Invitation link").input_value()
    look_at(owner, size, "seats-invited")
    sign_in_by_code(guest, "guest@ternsey.example")
    guest.wait_for_url("**/account")
    guest.goto(link)
    look_at(guest, size, "seat-invitation")
    guest.get_by_role("button", name="Accept invitation").click()
    expect(guest.get_by_role("main")).to_contain_text("You have access to")
    open_article(guest, next(articles(guest, "subscribers")))


def subscribe_in_print(page: Page, size: str) -> None:
    """Who gets the paper types its account number."""
    sign_in_by_code(page, "print@ternsey.example")
    page.wait_for_url("**/account")
    page.get_by_role("link", name="I already have a subscription").click()
    page.get_by_label("Account number").fill("KD-9999")
    page.get_by_label("Postcode").fill("1000-001")
    page.get_by_role("button", name="Activate access").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look_at(page, size, "elsewhere")
    page.get_by_label("Account number").fill("KD-0815")
    page.get_by_role("button", name="Activate access").click()
    open_article(page, next(articles(page, "subscribers")))


def meet_walls(page: Page, size: str) -> None:
    """The countdown; a wall that asks to register, one that asks to subscribe, and one that asks to come back."""
    metered, paid = [*articles(page, "metered")], next(articles(page, "subscribers"))
    open_article(page, metered[0])
    expect(page.locator("#notice")).to_have_text("2 of 3 left")
    look_at(page, size, "countdown")
    for slug in metered[1:4]:
        page.goto(f"/articles/{slug}")
    expect(page.locator(".wall")).to_contain_text("Read 5 more articles")
    look_at(page, size, "wall-register")
    sign_in_by_code(page, "reader@ternsey.example")
    page.wait_for_url("**/account")
    page.goto(f"/articles/{paid}")
    wall = page.locator(".wall")
    expect(wall).not_to_contain_text("Already a subscriber?")
    look_at(page, size, "wall-subscribe")
    wall.get_by_role("radio", name="Monthly", exact=True).check()
    wall.get_by_role("button", name="Subscribe").first.click()
    fill_card(page, "4242 4242 4242 4242")
    page.wait_for_url(f"**/articles/{paid}")
    page.goto("/account")
    page.get_by_role("button", name="Manage payment, invoices and cancellation").click()
    page.get_by_role("button", name="Cancel at the end of the period").click()
    page.get_by_role("link", name="Back to the site").click()
    page.wait_for_url("**/account")
    with page.expect_navigation():
        page.get_by_role("button", name="Jump a month").click()
    page.goto(f"/articles/{paid}")
    expect(wall).to_contain_text("We have missed you")
    look_at(page, size, "wall-come-back")
