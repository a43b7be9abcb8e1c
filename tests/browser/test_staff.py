"""The back office in Chromium: the second factor from its set-up on, accounts, keys, the audit log."""

import base64
from datetime import UTC, datetime

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, Locator, Page, expect

from service.identity.totp import STEP_SECONDS, OneTimeCodes
from service.operators.frame.places import GROUPS
from tests.browser.conftest import CUT, fill_card, look_at, reader
from tests.demo.process import Demo
from tests.patience import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
EDITOR = "editor@ternsey.example"


def sign_in(page: Page, demo: Demo) -> None:
    """By keyboard alone: the first field has the focus already."""
    page.goto("/admin")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(EDITOR)
    page.keyboard.press("Tab")
    page.keyboard.type(demo.password)
    page.keyboard.press("Enter")


def code_now(page: Page) -> str:
    """The code of the secret on the page, as an authenticator app makes it."""
    secret = page.locator(".secret").inner_text().replace(" ", "")
    step = int(datetime.now(UTC).timestamp()) // STEP_SECONDS
    return OneTimeCodes(base64.b32decode(secret)).code_at(step)


def set_up_second_factor(page: Page, demo: Demo, size: str) -> list[str]:
    """Switch it on; the recovery codes."""
    page.get_by_role("link", name=EDITOR).click()
    look_at(page, size, "staff-account")
    page.locator("#totp-present").fill(demo.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up two-step verification")
    assert page.locator("img.qr").evaluate("image => image.naturalWidth > 100")
    look_at(page, size, "staff-second-factor")
    page.get_by_label("Code from your authenticator app").fill(code_now(page))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    look_at(page, size, "staff-recovery-codes")
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    return codes


OPEN = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


def look_at_each_place(page: Page) -> None:
    """All that can be opened is open: nothing is cut, and nothing is wider than the screen."""
    for place in (each for group in GROUPS for each in group.places):
        page.goto(place.path)
        page.evaluate(OPEN)
        assert page.evaluate(CUT) == [], place.path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place.path


def look_at_what_runs_by_itself(page: Page, chromium: Browser, demo: Demo, size: str) -> None:
    """Somebody subscribes, and a comparison with Stripe is asked for."""
    with reader(chromium, demo, size) as buying:
        buying.goto("/account")
        buying.get_by_role("button", name="Subscribe").first.click()
        fill_card(buying, "4242 4242 4242 4242")
        buying.wait_for_url("**/account")
    page.goto("/admin/reconciliations")
    page.get_by_role("button", name="Compare only").click()
    expect(page.get_by_role("status")).to_contain_text("has started")
    page.goto("/admin/inbox")
    created = page.get_by_role("rowheader", name="customer.subscription.created")
    come_by_reload(page, created)
    expect(page.get_by_role("button", name="Retry all")).to_have_count(0)
    look_at(page, size, "staff-inbox")
    page.goto("/admin/jobs?kind=reconcile")
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    look_at(page, size, "staff-jobs")
    page.goto("/admin/reconciliations")
    come_by_reload(page, page.get_by_text("comparing only"))
    look_at(page, size, "staff-agreement")
    look_at_each_place(page)


def come_by_reload(page: Page, wanted: Locator) -> None:
    """What happens in the background is on the page when it is loaded again."""

    def is_there() -> bool:
        page.reload()
        return wanted.first.is_visible()

    wait_until(is_there, "it is on the page")


def look_at_reports(page: Page, size: str) -> None:
    """By keyboard: what a figure means, and another step of its period."""
    page.get_by_role("link", name="Reports", exact=True).click()
    page.get_by_label("What MRR means").press("Enter")
    expect(page.get_by_text("Monthly recurring revenue")).to_be_visible()
    look_at(page, size, "staff-reports")
    page.get_by_role("link", name="Meter stop rate").click()
    page.get_by_label("Interval", exact=True).select_option("week")
    page.get_by_label("Interval", exact=True).press("Tab")
    page.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**interval=week**")
    expect(page.get_by_role("row", name="Whole period")).to_be_visible()
    look_at(page, size, "staff-report")


def test_an_administrator_at_work(chromium: Browser, demo: Demo, size: str) -> None:
    with reader(chromium, demo, size) as page:
        if size == "phone":
            page.set_viewport_size({"width": 320, "height": 700})
        sign_in(page, demo)
        expect(page.get_by_role("heading", level=1)).to_have_text("Today")
        recovery = set_up_second_factor(page, demo, size)

        look_at_reports(page, size)
        page.goto("/admin/operators")
        page.locator("#email").fill("ana@ternsey.example")
        page.locator("#password").fill("a first password")
        page.keyboard.press("Enter")
        page.get_by_label("Role of ana@ternsey.example", exact=True).select_option("editor")
        page.get_by_role("button", name="Set role of ana@ternsey.example").click()
        page.get_by_role("button", name="Disable: ana@ternsey.example").click()
        expect(page.get_by_text("Disabled since")).to_be_visible()
        look_at(page, size, "staff-operators")

        page.goto("/admin/api-keys")
        page.get_by_label("Label").fill("The content system")
        page.get_by_label("articles:write").check()
        page.get_by_role("button", name="Create key").click()
        expect(page.locator(".secret")).to_contain_text("pwk_")
        look_at(page, size, "staff-api-keys")
        page.get_by_role("button", name="Revoke The content system").click()
        expect(page.get_by_text("Revoked")).to_be_visible()

        page.goto("/admin/webhooks")
        page.get_by_label("URL").fill(f"{demo.url}/hooks")
        page.get_by_label("Description").fill("Customer relations")
        page.get_by_label("subscription.started").check()
        look_at(page, size, "staff-webhooks")
        page.get_by_role("button", name="Add endpoint").click()
        expect(page.locator(".secret")).to_contain_text("whsec_")
        page.get_by_role("button", name="Send a test event").click()
        expect(page.get_by_role("rowheader", name="webhook.test")).to_be_visible()
        look_at(page, size, "staff-webhook")

        look_at_what_runs_by_itself(page, chromium, demo, size)

        page.goto("/admin/audit")
        for action in ("Revoked an API key", "Disabled an operator", "Changed a role"):
            expect(page.get_by_role("rowheader", name=action, exact=True)).to_be_visible()
        look_at(page, size, "staff-audit-log")

    # On another computer, without JavaScript, where the app isn't at hand.
    with reader(chromium, demo, size, javascript=False) as page:
        sign_in(page, demo)
        expect(page.get_by_role("heading", level=1)).to_have_text("Two-step verification")
        page.get_by_label("Six-digit code").fill("000000")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Incorrect or used code")
        page.get_by_text("No access to your authenticator app?").click()
        page.get_by_label("Recovery code").fill(recovery[0])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Today")
        page.get_by_role("link", name=EDITOR).click()
        expect(page.get_by_text("9 recovery codes left")).to_be_visible()
