"""The pages in Chromium: with and without JavaScript, at every width, under their own policy."""

import re
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from service.access.reasons import REASONS
from service.settings import Settings
from tests.chromium import new_profile, running_chromium
from tests.conftest import MovingClocks
from tests.ports import free_port
from tests.served import CANARY, Installation, installation, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the group browser")

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
WIDTHS = (320, 390, 1280)


@pytest.fixture
def database_url(tmp_path: Path, migrated_file: Path) -> str:
    """One database is enough here: the pages don't know which it is."""
    return f"sqlite:///{shutil.copyfile(migrated_file, tmp_path / 'paywall.db')}"


@pytest.fixture
def foreign_port() -> int:
    """Where a frontend on another site is: `localhost` is foreign to 127.0.0.1."""
    return free_port()


@pytest.fixture
def cookieless_a_day() -> int:
    """How many readers without cookies the meter opens articles to."""
    return 500


@pytest.fixture
def made(
    settings: Settings, clocks: MovingClocks, foreign_port: int, cookieless_a_day: int
) -> Iterator[Installation]:
    listed = (f"http://localhost:{foreign_port}",)
    settings = settings.model_copy(
        update={"allowed_origins": listed, "cookieless_unlocks_per_day": cookieless_a_day}
    )
    with installation(settings, clocks) as made:
        for slug in ("a", "b", "c", "d"):
            made.publish(slug, section="News", standfirst="A boat is late.")
        made.publish("paid", access={"level": "subscribers"}, section="News")
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Any, made: Installation) -> Iterator[Any]:
    """Open a new browser profile; whatever the page complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_profile(**options: Any) -> Any:
        context = new_profile(chromium, base_url=made.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # Chromium logs every answer from 400 on as an error, walls included.
        page.on(
            "console",
            lambda line: (
                complaints.append(line.text)
                if line.type == "error" and "responded with a status of" not in line.text
                else None
            ),
        )
        return page

    yield open_profile
    for context in contexts:
        context.close()
    assert complaints == []


def test_the_script_opens_articles_until_the_meter_stops(visit: Any) -> None:
    page = visit()
    for slug, words in (
        ("a", "You have 2 free articles left this month."),
        ("b", "You have 1 free article left this month."),
        ("c", "You have read your 3 free articles this month."),
    ):
        page.goto(f"/articles/{slug}")
        sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)
        sync_api.expect(page.get_by_role("status")).to_contain_text(words)
        sync_api.expect(page.locator("form.read-on")).to_have_count(0)
    page.goto("/articles/d")
    sync_api.expect(page.get_by_role("heading", name="Subscribe to read on")).to_be_visible()
    assert CANARY not in page.content()
    page.goto("/articles/a")
    sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)


def test_a_wall_that_came_meanwhile_is_shown_with_its_offers(visit: Any) -> None:
    page = visit()
    page.goto("/articles/a")
    sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)
    # Another tab uses the last article up between this page and its script.
    another = page.context.new_page()

    def use_up(route: Any) -> None:
        if route.request.method == "POST":
            for slug in ("b", "c"):
                another.request.post(f"/v1/articles/{slug}/unlock")
        route.continue_()

    page.goto("about:blank")
    page.route(re.compile("/articles/d$"), use_up)
    page.goto("/articles/d")
    wall = page.locator(".wall")
    sync_api.expect(wall).to_contain_text("You have read your 3 free articles this month.")
    buttons = wall.get_by_role("button", name="Subscribe")
    sync_api.expect(buttons).to_have_count(1)
    sync_api.expect(wall).to_contain_text("€90.00 a year Saves €18.00 a year")
    assert CANARY not in page.content()
    wall.get_by_role("radio", name="Monthly").check()
    sync_api.expect(wall.get_by_text("€9.00 a month")).to_be_visible()
    sync_api.expect(wall.get_by_text("€90.00 a year")).not_to_be_visible()
    with page.expect_navigation(url=re.compile("/c/pay/|checkout")):
        buttons.click()


@pytest.mark.parametrize("cookieless_a_day", [1])
def test_the_wall_of_an_exhausted_network_says_so(visit: Any) -> None:
    page, neighbour = visit(), visit()

    def use_up(route: Any) -> None:
        if route.request.method == "POST":
            neighbour.request.post("/v1/articles/a/unlock")
        route.continue_()

    page.route(re.compile("/articles/d$"), use_up)
    page.goto("/articles/d")
    note = page.locator(".wall-note")
    sync_api.expect(note).to_have_text(REASONS["network_exhausted"].readers)
    assert CANARY not in page.content()


def test_a_hidden_tab_counts_nothing(visit: Any) -> None:
    page = visit()
    page.add_init_script(
        "Object.defineProperty(document, 'visibilityState', "
        "{configurable: true, get: () => window.seen ? 'visible' : 'hidden'})"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.goto("/articles/a", wait_until="networkidle")
    assert "POST" not in asked
    page.evaluate("window.seen = true; document.dispatchEvent(new Event('visibilitychange'))")
    sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)


def test_without_javascript_a_button_reads_on(visit: Any) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/articles/a")
    page.get_by_role("button", name="Continue reading").click()
    sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)
    sync_api.expect(page.get_by_role("status")).to_contain_text("2 free articles left")


def test_when_the_script_fails_the_button_still_reads_on(visit: Any) -> None:
    page = visit()
    answers = iter((False, True))  # the script's call, and then the button's

    def fail_once(route: Any) -> None:
        if route.request.method == "POST" and not next(answers):
            route.fulfill(status=503, body="{}")
        else:
            route.continue_()

    page.route(re.compile("/articles/a$"), fail_once)
    with page.expect_response(lambda answer: answer.status == 503):
        page.goto("/articles/a")
    page.get_by_role("button", name="Continue reading").click()
    sync_api.expect(page.locator(".prose.paywall")).to_contain_text(CANARY)


def test_a_sign_in_link_passes_the_origin_check(visit: Any) -> None:
    page = visit()
    page.goto("/account/sign-in?token=unknown")
    page.get_by_role("button", name="Sign in").click()
    sync_api.expect(page.get_by_role("heading")).to_have_text("This link has expired")


def test_nothing_is_wider_than_the_window(visit: Any) -> None:
    page = visit()
    for path in ("/", "/?section=News", "/articles/a", "/articles/paid", "/account", "/problems"):
        page.goto(path, wait_until="networkidle")
        for scheme, width in product(("light", "dark"), WIDTHS):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, scheme, width)


def test_a_wall_is_no_higher_than_a_phones_screen(visit: Any) -> None:
    width, height = 390, 844
    page = visit(viewport={"width": width, "height": height})
    page.goto("/articles/paid")
    for period in ("Yearly", "Monthly"):
        page.get_by_role("radio", name=period).check()
        assert page.locator(".wall").bounding_box()["height"] <= height


def test_everything_is_reached_by_keyboard(visit: Any) -> None:
    page = visit()
    page.goto("/articles/paid")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('form')?.className"))
    assert "offer" in reached


FRONTEND = """<!doctype html><title>Frontend</title><link rel="icon" href="data:,">
<script type="module">
import {{ Paywall }} from "{api}/static/paywall.js";
window.paywall = Paywall({{ api: "{api}" }});
</script>"""


def test_a_frontend_on_another_site_reads_without_cookies(
    visit: Any, made: Installation, foreign_port: int
) -> None:
    async def frontend(_: Any) -> HTMLResponse:
        return HTMLResponse(FRONTEND.format(api=made.url))

    with serving(Starlette(routes=[Route("/", frontend)]), foreign_port):
        page = visit()
        for slug, remaining in (("a", 2), ("b", 1), ("a", 1), ("c", 0)):
            page.goto(f"http://localhost:{foreign_port}/", wait_until="networkidle")
            opened = page.evaluate("slug => window.paywall.unlock(slug)", slug)
            assert CANARY in opened["article"]["body_html"]
            assert opened["meter"]["remaining"] == remaining
        walled = page.evaluate("window.paywall.unlock('d')")
        assert (walled["granted"], walled["reason"]) == (False, "meter_exhausted")
        teaser = page.evaluate("window.paywall.teaser('d')")
        assert CANARY not in str(teaser)
        offer = walled["wall"]["offers"][0]["id"]
        started = page.evaluate("offer => window.paywall.checkout(offer, location.href)", offer)
        assert started["url"].startswith(made.stripe_url)
        assert page.context.cookies() == []
