"""An editor plans an experiment, starts it and stops it; the rules' prompts are beside it."""

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the group browser")

from playwright.sync_api import Browser, expect

from tests.browser.conftest import look_at, reader
from tests.demo.process import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_an_editor_tries_other_words(chromium: Browser, demo: Demo, size: str) -> None:
    slug = f"words-{size}"
    with reader(chromium, demo, size) as editor:
        editor.goto("/admin")
        editor.get_by_label("E-mail").fill("editor@ternsey.example")
        editor.get_by_label("Password").fill(demo.password)
        editor.get_by_role("button", name="Sign in").click()
        expect(editor.get_by_role("heading", level=1)).to_have_text("Today")
        editor.goto("/admin/experiments")
        look_at(editor, size, "admin-experiments")
        editor.get_by_label("Name, such as spring-limit").fill(slug)
        editor.get_by_label("Question to answer").fill("Do these words sell more?")
        editor.get_by_label("Sample size").fill("1000")
        editor.locator("#ends_at").fill("2040-01-01T00:00")
        for place, name in enumerate(("usual", "new"), start=1):
            editor.locator(f"#v{place}").fill(name)
            editor.locator(f"#h{place}").fill("50")
        editor.locator("#t2").fill("The harbour needs readers")
        editor.get_by_role("button", name="Save draft").click()
        expect(editor.get_by_role("heading", level=1)).to_have_text("Do these words sell more?")
        editor.get_by_role("button", name="Start experiment").click()
        expect(editor.get_by_role("heading", name="Results")).to_be_visible()
        look_at(editor, size, "admin-experiment")
        editor.goto("/admin/rules")
        prompt = editor.get_by_role("group", name="New prompt")
        prompt.get_by_role("group", name="Readers").get_by_label("Former subscriber").check()
        look_at(editor, size, "admin-rules")
        editor.set_viewport_size({"width": 320, "height": 700})
        for path in ("/admin/rules", "/admin/experiments", f"/admin/experiments/{slug}"):
            editor.goto(path)
            assert editor.evaluate("document.documentElement.scrollWidth") <= 320, path
        editor.get_by_role("button", name="Stop experiment").click()
        expect(editor.get_by_text("so there is no verdict")).to_be_visible()
