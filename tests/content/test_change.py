"""Changing an article's level and status without its text."""

from typing import Any

import httpx2
import pytest

from service.settings import Settings
from tests.conftest import MovingClocks
from tests.content.conftest import Newsroom
from tests.databases import on_sqlite

pytestmark = on_sqlite
WALLED = "<p>One two.</p><paywall>Three four five six.</paywall>"


async def patch(
    newsroom: Newsroom, slug: str, *, if_match: str | None = None, **change: Any
) -> httpx2.Response:
    headers = {**newsroom.writer, **({"If-Match": if_match} if if_match else {})}
    return await newsroom.client.patch(f"/v1/admin/articles/{slug}", json=change, headers=headers)


async def test_the_level_changes_and_the_text_stays(newsroom: Newsroom) -> None:
    before = (await newsroom.put("ferry")).json()
    changed = await patch(newsroom, "ferry", access={"level": "free", "schedule": None})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    after = changed.json()
    assert after["effective"] == {
        "level": "free",
        "source": "article",
        "until": None,
        "plans": [],
    }
    assert after["body"] == before["body"]
    assert after["updated_at"] == before["updated_at"]
    teaser = (await newsroom.get("/v1/articles/ferry")).json()
    assert teaser["access"]["level"] == "free"
    again = await patch(newsroom, "ferry", access={"level": "free"})
    assert again.headers["ETag"] == '"v2"'
    scheduled = await patch(newsroom, "ferry", access={"schedule": {"free_hours": 5}})
    assert scheduled.json()["effective"]["source"] == "schedule"


async def test_withdrawn_and_published_again(newsroom: Newsroom, clocks: MovingClocks) -> None:
    first = (await newsroom.put("ferry")).json()["published_at"]
    assert (await patch(newsroom, "ferry", status="withdrawn")).json()["status"] == "withdrawn"
    assert (await newsroom.get("/v1/articles/ferry")).status_code == 404
    assert (await patch(newsroom, "ferry", status="published")).json()["published_at"] == first
    assert (await newsroom.get("/v1/articles/ferry")).status_code == 200


@pytest.mark.parametrize(
    "fields", [{"status": "draft"}, {"status": "scheduled", "published_at": "2026-04-01T00:00:00Z"}]
)
async def test_what_was_never_out_comes_out_now(
    newsroom: Newsroom, clocks: MovingClocks, fields: dict[str, str]
) -> None:
    await newsroom.put("ferry", **fields)
    out = (await patch(newsroom, "ferry", status="published")).json()
    assert (out["status"], out["visible"]) == ("published", True)
    assert out["published_at"] == clocks.business().isoformat().replace("+00:00", "Z")


async def test_the_wall_in_the_text_is_the_level_where_none_is_named(newsroom: Newsroom) -> None:
    await newsroom.put("ferry", body=WALLED, access={"level": "free"})
    changed = (await patch(newsroom, "ferry", access={"level": None})).json()
    assert changed["effective"]["level"] == "subscribers"


async def test_the_second_of_two_editors_is_told(newsroom: Newsroom) -> None:
    await newsroom.put("ferry")
    assert (await patch(newsroom, "ferry", if_match='"v1"', status="withdrawn")).status_code == 200
    late = await patch(newsroom, "ferry", if_match='"v1"', access={"level": "free"})
    assert (late.status_code, late.json()["type"]) == (412, "/problems/article-changed")
    seen = (await newsroom.get("/v1/admin/articles/ferry", **newsroom.reader)).json()
    assert (seen["status"], seen["access"]["level"], seen["version"]) == ("withdrawn", None, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "draft"}, "body.status"),
        ({"access": {"level": "secret"}}, "body.access.level"),
        ({"access": {"level": "free", "plans": ["digital"]}}, "body.access"),
        ({"title": "x"}, "body.title"),
    ],
)
async def test_what_cant_be_changed_is_named(
    newsroom: Newsroom, change: dict[str, Any], field: str
) -> None:
    await newsroom.put("ferry")
    refused = await patch(newsroom, "ferry", **change)
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == [field]


@pytest.mark.parametrize("slug", ["never", "No-Slug", "x" * 200])
async def test_what_isnt_there(newsroom: Newsroom, slug: str) -> None:
    for answer in (
        await patch(newsroom, slug, status="withdrawn"),
        await newsroom.get(f"/v1/admin/articles/{slug}/revisions", **newsroom.reader),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/article-not-found")


async def test_every_change_is_a_revision(newsroom: Newsroom, settings: Settings) -> None:
    await newsroom.put("ferry")
    await patch(newsroom, "ferry", access={"level": "free"})
    await patch(newsroom, "ferry", status="withdrawn")
    path = "/v1/admin/articles/ferry/revisions"
    first = (await newsroom.get(f"{path}?limit=2", **newsroom.reader)).json()
    assert [each["version"] for each in first["items"]] == [3, 2]
    assert first["items"][0]["document"] == {"status": "withdrawn"}
    sent = first["items"][1]["document"]
    assert (sent["access"]["level"], sent["title"]) == ("free", "The ferry")
    assert first["items"][0]["actor"].startswith("api_key:")
    rest = await newsroom.get(f"{path}?cursor={first['next_cursor']}", **newsroom.reader)
    assert [each["document"]["title"] for each in rest.json()["items"]] == ["The ferry"]
    assert rest.json()["next_cursor"] is None
