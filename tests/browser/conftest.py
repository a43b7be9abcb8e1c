"""Chromium in front of the demo as a newcomer starts it: `paywall demo`, a process of its own."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chromium import new_profile, running_chromium
from tests.demo.process import Demo, running_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
SIZES = {"desktop": (1280, 900, "light"), "phone": (390, 844, "dark")}


@contextmanager
def reader(
    chromium: "Browser", demo: Demo, size: str, *, javascript: bool = True
) -> "Iterator[Page]":
    """A browser of this size; errors of the page's scripts or its policy fail the test."""
    width, height, scheme = SIZES[size]
    context = new_profile(
        chromium,
        base_url=demo.url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=javascript,
    )
    faults: list[str] = []

    def note(message: "ConsoleMessage") -> None:
        # Chromium reports each answer from 400 on as a failed resource, walls and refusals too.
        if message.type == "error" and not re.search(r"status of 4\d\d", message.text):
            faults.append(message.text)

    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield page
        assert not faults
    finally:
        context.close()


def look_at(page: "Page", size: str, name: str) -> None:
    """Keep a screenshot; nothing is wider than the screen, and axe finds nothing but what is only minor."""
    from axe_playwright_python.sync_playwright import Axe

    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{size}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    found = Axe().run(page).response["violations"]
    assert not [each["id"] for each in found if each["impact"] != "minor"], name
    if "/admin" in page.url:
        assert page.evaluate(CUT) == [], name
        look_at_paper(page, name)


CUT = """() => {
  const pen = document.createElement("canvas").getContext("2d");
  const arrow = 16;
  const needs = (each, words) => {
    const style = getComputedStyle(each);
    pen.font = style.font;
    return pen.measureText(words).width + parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  };
  const isCut = (each) => {
    if (each.matches("select")) return needs(each, each.selectedOptions[0]?.text ?? "") + arrow > each.clientWidth + 2;
    if (each.matches("input")) return !each.value && needs(each, each.placeholder) > each.clientWidth + 1;
    const clips = ["hidden", "clip"].includes(getComputedStyle(each).overflowX);
    return clips && each.clientWidth > 1 && each.scrollWidth > each.clientWidth + 1;
  };
  return [...document.querySelectorAll("main *")].filter((each) => each.checkVisibility() && !each.closest("svg, thead") && isCut(each))
    .map((each) => each.outerHTML.slice(0, 120));
}"""
"""What has less room than its text: choices, hints in fields, and boxes that show no more than fits."""
PRINTED = """() => {
  const root = document.documentElement;
  const shown = (all) => [...document.querySelectorAll(all)].filter((each) => each.checkVisibility());
  const values = [...document.querySelectorAll(".unframed :is(input, select, textarea), td select")].filter(
    (each) => each.value && each.type !== "hidden" && !each.closest("fieldset:has(> legend + .field > [value=''])"));
  const printed = (each) => each.checkVisibility() && each.scrollWidth <= each.clientWidth + 1 && each.scrollHeight <= each.clientHeight + 1;
  const wide = shown("table, svg, .panel, .drawn").filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1);
  const words = (text) => [...text.data.matchAll(/\\p{L}+/gu)].map((word) => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return range;
  });
  const texts = (each) => [...each.childNodes].flatMap((node) => (node.nodeType === 3 ? [node] : texts(node)));
  const many = shown(".cards:has(thead th:nth-child(7)) :is(th, td)").flatMap(texts).flatMap(words);
  return {
    broken: many.filter((each) => each.getClientRects().length > 1).map(String),
    pressed: shown("nav, main button, .button, [type=password], [type=file], [name=sure]").map((each) => each.outerHTML.slice(0, 90)),
    lost: values.filter((each) => !each.closest("tr:has(> th > :placeholder-shown)") && !printed(each)).map((each) => each.outerHTML.slice(0, 90)),
    cut: wide.map((each) => each.outerHTML.slice(0, 90)),
    paper: getComputedStyle(document.body).color,
    turned: getComputedStyle(document.body).page === "wide",
  };
}"""
DARK = "matchMedia('(prefers-color-scheme: dark)').matches"
UPRIGHT, TURNED = 718, 1047
"""Pixels of the text on A4 with margins of 10 mm."""


def look_at_paper(page: "Page", name: str) -> None:
    """Printed by somebody whose screen is dark: nothing to press, all that is set, no column cut, no word of a wide
    table broken, black on white."""
    size, is_dark = page.viewport_size, page.evaluate(DARK)
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": UPRIGHT, "height": 1000})
    if page.evaluate(PRINTED)["turned"]:
        page.set_viewport_size({"width": TURNED, "height": 700})
    found = page.evaluate(PRINTED)
    assert (found["pressed"], found["lost"], found["cut"]) == ([], [], []), name
    assert found["broken"] == [], name
    assert found["paper"] == "rgb(29, 32, 35)", name
    page.emulate_media(media="null", color_scheme="dark" if is_dark else "light")
    if size is not None:
        page.set_viewport_size(size)


def fill_card(page: "Page", number: str) -> None:
    page.get_by_label("E-mail").fill("reader@ternsey.example")
    page.get_by_label("Name on the card").fill("A Reader")
    page.get_by_label("Card number").fill(number)
    page.get_by_role("button", name=re.compile("Pay|Start the trial")).click()


@pytest.fixture(scope="module")  # closed before other folders' tests open a Playwright of their own
def chromium() -> "Iterator[Browser]":
    with running_chromium() as browser:
        yield browser


@contextmanager
def new_demo(data: Path, migrated_file: Path) -> Iterator[Demo]:
    """One whose database needn't be migrated first: that takes as long as all else of a start."""
    data.mkdir()
    shutil.copyfile(migrated_file, data / "paywall.db")
    with running_demo(data) as demo:
        yield demo


@pytest.fixture
def demo(tmp_path: Path, migrated_file: Path) -> Iterator[Demo]:
    with new_demo(tmp_path / "data", migrated_file) as demo:
        yield demo


@pytest.fixture(scope="module")
def standing_demo(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Demo]:
    """For tests that buy nothing, let no time pass, and sign in with addresses of their own."""
    with new_demo(tmp_path_factory.mktemp("standing") / "data", migrated_file) as demo:
        yield demo


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def visit(chromium: "Browser", demo: Demo, size: str) -> "Iterator[Page]":
    """A reader's browser of this size; any error in the page's scripts or policy fails the test."""
    with reader(chromium, demo, size) as page:
        yield page


@pytest.fixture
def look(chromium: "Browser", standing_demo: Demo, size: str) -> "Iterator[Page]":
    """The same at the demo that stands."""
    with reader(chromium, standing_demo, size) as page:
        yield page
