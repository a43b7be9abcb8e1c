"""Stylesheet, scripts, and the pages that explain problems."""

import re

import pytest

from service.problems import CATALOGUE
from service.web.static_files import FILES
from tests.databases import on_sqlite
from tests.web.conftest import Newspaper

pytestmark = on_sqlite


@pytest.mark.parametrize("name", ["newspaper.css", "newspaper.js", "paywall.js"])
async def test_files_are_public_and_known_again(newspaper: Newspaper, name: str) -> None:
    file = FILES[name]
    answer = await newspaper.browser.get(file.address)
    assert answer.status_code == 200
    assert answer.content == file.content
    assert answer.headers["Content-Type"].startswith(file.media_type)
    assert answer.headers["Cache-Control"].startswith("public")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    same = await newspaper.browser.get(
        file.address, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize("name", ["none.js", "..%2froutes.py", "%00"])
async def test_nothing_else_is_served(newspaper: Newspaper, name: str) -> None:
    assert (await newspaper.browser.get(f"/static/{name}")).status_code == 404


async def test_every_problem_is_explained(newspaper: Newspaper) -> None:
    listed = (await newspaper.browser.get("/problems")).text
    assert re.findall(r'href="/problems/([a-z-]+)"', listed) == list(CATALOGUE)
    for slug, definition in CATALOGUE.items():
        page = (await newspaper.browser.get(f"/problems/{slug}")).text
        assert str(definition.status) in page
    assert (await newspaper.browser.get("/problems/none")).status_code == 404
