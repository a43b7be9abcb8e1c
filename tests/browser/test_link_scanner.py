"""A mail scanner that opens links in a real browser and runs all their scripts uses nothing up."""

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import expect

from tests.browser.conftest import reader
from tests.demo.process import Demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
# What scanners do beyond loading: they wait, scroll, move the mouse, and touch what isn't a form.
EVERYTHING = """async () => {
    window.scrollTo(0, document.body.scrollHeight);
    for (const kind of ["load", "DOMContentLoaded", "focus", "mousemove", "visibilitychange", "pagehide"])
        for (const target of [window, document, ...document.querySelectorAll("*")])
            target.dispatchEvent(new Event(kind, { bubbles: true }));
    await new Promise(done => setTimeout(done, 500));
    return document.querySelectorAll("form").length;
}"""


def link_in_newest_mail(page: "Page") -> str:
    page.goto("/mailbox")
    page.locator(".mails a").first.click()
    link = page.locator(".mail-text a").get_attribute("href")
    assert link is not None
    assert re.search(r"token=[\w-]", link)
    return link


def scan(chromium: "Browser", demo: Demo, link: str) -> None:
    """Open the link in a browser of the scanner's own, and let everything on the page happen."""
    methods: list[str] = []
    with reader(chromium, demo, "desktop") as page:
        page.on("request", lambda request: methods.append(request.method))
        page.goto(link, wait_until="networkidle")
        assert page.evaluate(EVERYTHING) >= 1
        assert set(methods) == {"GET"}
        assert not any("session" in cookie["name"] for cookie in page.context.cookies())


def test_a_link_scanned_with_javascript_signs_in_still(chromium: "Browser", demo: Demo) -> None:
    with reader(chromium, demo, "desktop") as page:
        page.goto("/account/sign-in")
        page.get_by_label("E-mail address").fill("scanned@ternsey.example")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Six-digit code")).to_be_visible()
        link = link_in_newest_mail(page)
        for _ in range(2):
            scan(chromium, demo, link)
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
