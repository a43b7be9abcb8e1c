import gzip
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from service.content.teaser_schemas import Teaser, Teasers
from service.db.session import Database
from service.html.public_answer import CODINGS
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.content.canary import Canary
from tests.content.conftest import Newsroom
from tests.content.moving import move
from tests.databases import on_sqlite

pytestmark = on_sqlite

DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": lambda raw: import_module("brotli").decompress(raw),
    "gzip": gzip.decompress,
}
LONG = "<p>" + "A sentence of the preview. " * 60 + "</p><!--more--><p>Two</p>"


async def test_publish_list_read(newsroom: Newsroom) -> None:
    created = await newsroom.put("ferry", standfirst="A boat is late.", tags=["Sea"])
    assert created.status_code == 201
    assert created.headers["ETag"] == '"v1"'
    assert created.headers["Cache-Control"] == "private, no-store"
    assert created.json()["preview_html"] == "<p>One</p>"
    assert created.json()["preview"] == {
        "words": 2, "public_words": 1, "cut_by": "mark", "warnings": [],
    }  # fmt: skip
    repeated = await newsroom.put("ferry", standfirst="A boat is late.", tags=["Sea"])
    assert (repeated.status_code, repeated.headers["ETag"]) == (200, '"v1"')
    assert repeated.json() == created.json()

    listed = await newsroom.get("/v1/articles?tag=sea")
    (item,) = Teasers.model_validate(listed.json()).items
    assert (item.slug, item.excerpt, item.access.metered) == ("ferry", "One", True)

    teaser = Teaser.model_validate((await newsroom.get("/v1/articles/ferry")).json())
    assert teaser.preview_html == "<p>One</p>"
    assert teaser.body_html is None
    assert teaser.json_ld["isAccessibleForFree"] is False


async def test_a_publisher_is_told_of_a_mark_that_gives_much_away(newsroom: Newsroom) -> None:
    body = "<p>One two three four.</p><!--more--><p>Five.</p>"
    told = (await newsroom.put("ferry", body=body)).json()["preview"]
    assert (told["words"], told["public_words"], told["cut_by"]) == (5, 4, "mark")
    assert told["warnings"] == [
        "80 % of the words are public, by default at most 60 %: the author's mark is there."
    ]
    seen = await newsroom.get("/v1/admin/articles/ferry", **newsroom.reader)
    assert seen.json()["preview"] == told


@pytest.mark.parametrize("level", ["free", "registered", "metered", "subscribers"])
async def test_a_publisher_is_told_of_a_wall_that_the_level_opens(
    newsroom: Newsroom, level: str
) -> None:
    body = "<p>One two.</p><paywall>Three four five six.</paywall>"
    told = (await newsroom.put("ferry", body=body, access={"level": level})).json()["preview"]
    warning = (
        f"The text has a wall for subscribers, and the article's level is {level}: "
        "change its level, or take the wall out of the text."
    )
    assert told["warnings"] == ([] if level == "subscribers" else [warning])


async def test_public_answers_are_public(newsroom: Newsroom) -> None:
    await newsroom.put("ferry")
    for path in ("/v1/articles", "/v1/articles/ferry"):
        answer = await newsroom.get(path, Origin="https://anywhere.example", Cookie="pw_session=x")
        assert answer.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Content-Type"] == "application/json"
        assert "Set-Cookie" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/articles", "/v1/articles/ferry"])
async def test_validators(newsroom: Newsroom, path: str) -> None:
    await newsroom.put("ferry", body=LONG, standfirst="A long standfirst. " * 80)
    plain = await newsroom.get(path)
    zipped = await newsroom.get(path, **{"Accept-Encoding": "gzip"})
    tag, zipped_tag = plain.headers["ETag"], zipped.headers["ETag"]
    assert zipped_tag == tag[:-1] + '-gzip"'
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.json() == plain.json()

    for held in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        unchanged = await newsroom.get(path, **{"If-None-Match": held})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["ETag"] == tag
        assert unchanged.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    for held in (zipped_tag, '"v1"', "", "x" * 1000):
        assert (await newsroom.get(path, **{"If-None-Match": held})).status_code == 200

    head = await newsroom.client.head(path, headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == tag
    assert head.headers["Content-Length"] == str(len(plain.content))
    part = await newsroom.get(path, Range="bytes=0-1")
    assert (part.status_code, part.content) == (200, plain.content)


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_compressed_answer_is_the_same_content(newsroom: Newsroom, coding: str) -> None:
    await newsroom.put("ferry", body=LONG)
    plain = await newsroom.get("/v1/articles/ferry")
    request = newsroom.client.build_request(
        "GET", "/v1/articles/ferry", headers={"Accept-Encoding": coding}
    )
    compressed = await newsroom.client.send(request, stream=True)
    raw = b"".join([part async for part in compressed.aiter_raw()])
    assert DECOMPRESS[coding](raw) == plain.content
    assert compressed.headers["Content-Encoding"] == coding
    assert compressed.headers["Content-Length"] == str(len(raw))
    assert compressed.headers["ETag"] == plain.headers["ETag"][:-1] + f'-{coding}"'


async def test_an_edit_behind_the_cut_shows_in_no_public_text(newsroom: Newsroom) -> None:
    await newsroom.put("ferry")
    before = await newsroom.get("/v1/articles/ferry")
    await newsroom.put("ferry", body="<p>One</p><!--more--><p>Two, corrected</p>")
    after = await newsroom.get("/v1/articles/ferry")
    # The clock stands still here, so that even updated_at is the same: nothing else may differ.
    assert after.content == before.content
    assert after.headers["ETag"] == before.headers["ETag"]


async def test_a_free_article_is_open(newsroom: Newsroom) -> None:
    await newsroom.put("ferry", access={"level": "free"})
    teaser = (await newsroom.get("/v1/articles/ferry")).json()
    assert teaser["body_html"] == "<p>One</p><p>Two</p>"
    assert teaser["access"] == {"level": "free", "metered": False, "plans": []}
    assert teaser["json_ld"]["isAccessibleForFree"] is True
    assert "hasPart" not in teaser["json_ld"]
    assert "body_html" not in (await newsroom.get("/v1/articles")).json()["items"][0]


@pytest.mark.parametrize("level", [None, "metered", "subscribers"])
async def test_a_canary_behind_the_cut_is_on_no_public_surface(
    newsroom: Newsroom, level: str | None
) -> None:
    canary = Canary()
    body = canary.article(access={"level": level}).model_dump(mode="json")
    assert (await newsroom.put("ferry", **body)).status_code == 201
    paths = ["/v1/articles", f"/v1/articles?q={canary.paid}", "/v1/articles/ferry"]
    answers = [await newsroom.get(path) for path in paths]
    assert canary.public in answers[0].text
    assert canary.public in answers[2].text
    assert answers[1].json() == {"items": [], "next_cursor": None}
    for answer in answers:
        canary.assert_absent(answer.content, str(answer.headers))
    staff = await newsroom.get("/v1/admin/articles", **newsroom.reader)
    canary.assert_absent(staff.content)


async def test_a_schedule_comes_true_by_itself(newsroom: Newsroom, clocks: MovingClocks) -> None:
    at = clocks.business() + timedelta(seconds=60)
    clocks.travel(timedelta(seconds=30))
    created = await newsroom.put("ferry", status="scheduled", published_at=at.isoformat())
    assert created.json()["visible"] is False
    await newsroom.put("levy")
    hidden = await newsroom.get("/v1/articles/ferry")
    assert hidden.status_code == 404
    assert hidden.headers["Cache-Control"] == "private, no-store"
    listed = await newsroom.get("/v1/articles")
    assert [item["slug"] for item in listed.json()["items"]] == ["levy"]
    assert listed.headers["Cache-Control"] == "public, max-age=30, must-revalidate"
    clocks.travel(timedelta(seconds=30))
    assert (await newsroom.get("/v1/articles/ferry")).status_code == 200
    listed = await newsroom.get("/v1/articles")
    assert [item["slug"] for item in listed.json()["items"]] == ["ferry", "levy"]
    assert listed.headers["Cache-Control"] == "public, max-age=60, must-revalidate"


async def test_nothing_tells_what_is_scheduled(newsroom: Newsroom, clocks: MovingClocks) -> None:
    """The attacker searches for words of an article that isn't out, in its last minute."""
    await newsroom.put("levy")
    clocks.travel(timedelta(seconds=10))
    paths = (
        "/v1/articles?q=resignation",
        "/v1/articles?section=Secrets",
        "/v1/articles",
        "/v1/articles/ferry",
    )
    before = [await newsroom.get(path) for path in paths]
    at = (clocks.business() + timedelta(seconds=20)).isoformat()
    await newsroom.put(
        "ferry", title="A resignation", section="Secrets", status="scheduled", published_at=at
    )
    for path, former in zip(paths, before, strict=True):
        now = await newsroom.get(path)
        unseen = {"x-request-id", "date"}
        shown = [
            {k: v for k, v in each.headers.items() if k not in unseen} for each in (former, now)
        ]
        assert (now.status_code, now.content, shown[1]) == (
            former.status_code,
            former.content,
            shown[0],
        )


async def test_a_change_is_seen_at_once(newsroom: Newsroom) -> None:
    await newsroom.put("ferry")
    assert (await newsroom.get("/v1/articles/ferry")).json()["title"] == "The ferry"
    await newsroom.put("ferry", title="Two")
    assert (await newsroom.get("/v1/articles/ferry")).json()["title"] == "Two"
    gone = await newsroom.client.delete("/v1/admin/articles/ferry", headers=newsroom.writer)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await newsroom.get("/v1/articles/ferry")).status_code == 404
    again = await newsroom.client.delete("/v1/admin/articles/ferry", headers=newsroom.writer)
    assert again.status_code == 204
    staff = await newsroom.get("/v1/admin/articles/ferry", **newsroom.reader)
    assert (staff.json()["status"], staff.headers["ETag"]) == ("withdrawn", '"v3"')


async def test_if_match(newsroom: Newsroom) -> None:
    await newsroom.put("ferry")
    path = "/v1/admin/articles/ferry"
    body = {"title": "Two", "body": ""}
    stale = {**newsroom.writer, "If-Match": '"v0"'}
    refused = await newsroom.client.put(path, json=body, headers=stale)
    assert (refused.status_code, refused.json()["type"]) == (412, "/problems/article-changed")
    assert (await newsroom.client.delete(path, headers=stale)).status_code == 412
    fresh = {**newsroom.writer, "If-Match": '"v1"'}
    assert (await newsroom.client.put(path, json=body, headers=fresh)).status_code == 200


async def test_what_is_sent_comes_back(newsroom: Newsroom) -> None:
    sent = {
        "title": "The ferry",
        "standfirst": "A boat is late.",
        "body": "One *two*.\n\n<!--more-->\n\nThree.",
        "body_format": "markdown",
        "authors": [{"name": "Maren Tolliver"}],
        "section": "News",
        "tags": ["Sea"],
        "canonical_url": "https://paper.example/ferry",
        "image": {"url": "/ferry.svg", "alt": "A ferry"},
        "language": "en-GB",
        "published_at": "2026-03-09T08:00:00Z",
        "status": "published",
        "access": {"level": "subscribers", "plans": ["digital"], "schedule": None},
        "source_ids": {"cms": "17"},
    }
    await newsroom.put("ferry", **sent)
    staff = await newsroom.get("/v1/admin/articles/ferry", **newsroom.reader)
    assert {name: staff.json()[name] for name in sent} == sent
    public = (await newsroom.get("/v1/articles/ferry")).json()
    assert public["json_ld"]["mainEntityOfPage"] == sent["canonical_url"]
    assert public["json_ld"]["image"] == ["http://127.0.0.1:8000/ferry.svg"]
    assert public["json_ld"]["description"] == "A boat is late."
    assert public["access"] == {
        "level": "subscribers",
        "metered": False,
        "plans": ["digital"],
    }


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_publishers_need_a_key(newsroom: Newsroom, method: str) -> None:
    path = "/v1/admin/articles/ferry"
    body = {"title": "a", "body": "b"} if method == "PUT" else None
    assert (await newsroom.client.request(method, path, json=body)).status_code == 401
    wrong = {"Authorization": "Bearer pwk_0000000000_x"}
    assert (
        await newsroom.client.request(method, path, headers=wrong, json=body)
    ).status_code == 401
    by_reader = await newsroom.client.request(method, path, headers=newsroom.reader, json=body)
    assert by_reader.status_code == (404 if method == "GET" else 403)


@pytest.mark.parametrize(
    "slug",
    ["none", "FERRY", "..%2fadmin", "%00", "a%00b", "%ff", "' OR 1=1 --", "ferry%20", "%E2%80%8B", "a" * 5000],
)  # fmt: skip
async def test_an_unknown_slug_is_not_found(newsroom: Newsroom, slug: str) -> None:
    await newsroom.put("ferry")
    answer = await newsroom.get(f"/v1/articles/{slug}")
    assert answer.status_code == 404
    staff = await newsroom.get(f"/v1/admin/articles/{slug}", **newsroom.reader)
    assert staff.status_code == 404


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "q=%00", "tag=a%00", "section=%00",
     "author=%00", f"q={'a' * 201}"],
)  # fmt: skip
async def test_bad_queries_are_refused(newsroom: Newsroom, query: str) -> None:
    answer = await newsroom.get(f"/v1/articles?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    "query", ["utm_source=x", "q=%ff%fe", "q=%25", "tag=%F0%9F%A6%80", "q=' OR 1=1 --", "limit=100"]
)
async def test_odd_queries_are_answered(newsroom: Newsroom, query: str) -> None:
    assert (await newsroom.get(f"/v1/articles?{query}")).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"title": "a"}', 422),
        (b'{"title": "a", "body": "b", "paywall": false}', 422),
        (b'{"title": "a\\u0000", "body": "b"}', 422),
        (b'{"title": "a\\ud800", "body": "b"}', 422),
        (b'{"title": "a", "body": "b", "\\ud800": 1}', 422),
        (b'{"title": "a", "body": "b", "source_ids": {"\\ud800": "1"}}', 422),
        (b'{"title": ["a"], "body": {"b": 1}}', 422),
    ],
)
async def test_bad_bodies_are_refused(newsroom: Newsroom, content: bytes, status: int) -> None:
    headers = {**newsroom.writer, "Content-Type": "application/json"}
    answer = await newsroom.client.put("/v1/admin/articles/ferry", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await newsroom.get("/v1/articles/ferry")).status_code == 404


async def test_a_megabyte_of_nesting_is_refused(newsroom: Newsroom) -> None:
    answer = await newsroom.put("ferry", body="<div>" * 200_000)
    assert answer.status_code == 422
    assert "nested" in answer.json()["errors"][0]["message"]


async def test_an_empty_article_can_be_read(newsroom: Newsroom) -> None:
    await newsroom.put("ferry", body="")
    teaser: dict[str, Any] = json.loads((await newsroom.get("/v1/articles/ferry")).content)
    assert (teaser["preview_html"], teaser["excerpt"]) == ("", "")


async def test_a_former_slug_leads_to_the_article(
    newsroom: Newsroom, database: Database, settings: Settings
) -> None:
    await newsroom.put("fery")
    await move(database, settings, "fery", "ferry")
    moved = await newsroom.get("/v1/articles/fery")
    assert (moved.status_code, moved.headers["Location"]) == (301, "/v1/articles/ferry")
    assert moved.headers["Cache-Control"] == "public, max-age=60"
    assert moved.headers["Access-Control-Allow-Origin"] == "*"
    assert (await newsroom.get("/v1/articles/ferry")).json()["title"] == "The ferry"
    await newsroom.put("fery", title="Another one")
    assert (await newsroom.get("/v1/articles/fery")).json()["title"] == "Another one"
    await newsroom.put("ferry", status="withdrawn")
    await newsroom.put("fery", status="withdrawn")
    assert (await newsroom.get("/v1/articles/fery")).status_code == 404
