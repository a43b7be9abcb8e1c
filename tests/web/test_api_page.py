"""The API's page: all of the OpenAPI document, and nothing that runs or comes from elsewhere."""

import re
from collections.abc import AsyncIterator

import pytest

from service.db.session import Database
from service.settings import Settings
from service.web.api_page import type_of
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


@on_sqlite
async def test_the_page_tells_all_that_the_document_does(paywall: Paywall) -> None:
    document = (await paywall.client.get("/openapi.json")).json()
    page = (await paywall.client.get("/docs")).text
    anchors = re.findall(r'id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    assert set(document["components"]["schemas"]) <= set(anchors)
    for path, item in document["paths"].items():
        for method in item:
            assert page.count(f"<code>{method.upper()} {path}</code>") == 2  # listed, and told
    for schema in document["components"]["schemas"].values():
        for name in schema["properties"]:
            assert f"<dt><code>{name}</code>" in page
    assert 'href="/openapi.json"' in page
    assert '<a href="#ArticleIn">ArticleIn</a> <small>application/json</small>' in page
    assert "<code>slug</code> <span>string, path, required</span>" in page
    assert "length from 1, length up to 300" in page
    assert "Invalid values, named in <code>errors</code>." in page
    assert not {"`", "&lt;"} & set(
        re.findall(r"`|&lt;", re.sub(r"<(small|code)>.*?</\1>", "", page))
    )


@on_sqlite
async def test_the_page_runs_nothing_and_is_the_same_for_everybody(paywall: Paywall) -> None:
    answer = await paywall.client.get("/docs")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert not re.findall(r'(?:src|href)="(?!/|#)', answer.text)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"].startswith("public")
    await paywall.sign_in("all")
    assert (await paywall.client.get("/docs")).text == answer.text
    assert (await paywall.client.head("/docs")).content == b""
    for former in ("/redoc", "/docs/oauth2-redirect"):
        assert (await paywall.client.get(former)).status_code == 404


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "anything"),
        ({"type": "string", "format": "date-time"}, "string (date-time)"),
        (
            {"type": "array", "items": {"$ref": "#/x/Author"}},
            'list of <a href="#Author">Author</a>',
        ),
        ({"anyOf": [{"const": "a<b"}, {"type": "null"}]}, "<code>&#34;a&lt;b&#34;</code> or null"),
        ({"enum": [1, 2], "type": "integer"}, "<code>1</code> or <code>2</code>"),
        ({"additionalProperties": {"type": "string"}}, "object, each value string"),
        ({"type": "object", "additionalProperties": False}, "object"),
    ],
)
def test_types_in_words(schema: dict[str, object], words: str) -> None:
    assert type_of(schema) == words
