"""Every error is a problem: those we raise, those of the framework, and those nobody foresaw."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.types import Message
from structlog.testing import capture_logs

from service.boundary import Boundary
from service.problems import CATALOGUE, MEDIA_TYPE, Problem, install_handlers

LIMIT = 2048
RAISED = re.compile(r"\bProblem\(\s*\"([^\"]*)\"")
JSON = {"Content-Type": "application/json"}


def _lower(text: str) -> str:
    if not text.islower():
        raise ValueError("small letters only")
    return text


class Author(BaseModel):
    name: str = ""


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, AfterValidator(_lower)] = "untitled"
    count: int = 0
    author: Author | None = None


def application() -> FastAPI:
    app = FastAPI()
    install_handlers(app)
    app.add_middleware(Boundary, max_body_bytes=LIMIT)

    @app.post("/notes")
    async def write(note: Note) -> dict[str, str]:
        return {"title": note.title}

    @app.post("/optional")
    async def optional(note: Note | None = None) -> dict[str, bool]:
        return {"given": note is not None}

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/refuse")
    async def refuse() -> None:
        raise Problem("walled", "Closed.", headers={"Retry-After": "5"}, wall={"kind": "subscribe"})

    @app.get("/surprise")
    async def surprise() -> None:
        raise RuntimeError("the safe's combination is 1234")

    @app.get("/gateway")
    async def gateway() -> None:
        raise HTTPException(502, "the inner address is 10.0.0.7")

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise RuntimeError("and then nothing")

        return StreamingResponse(body())

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application())
    async with httpx2.AsyncClient(transport=transport, base_url="http://news.test") as client:
        yield client


def told(answer: httpx2.Response) -> dict[str, Any]:
    """The problem in the answer, its shape checked."""
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    definition = CATALOGUE[body["type"].removeprefix("/problems/")]
    assert body["status"] == answer.status_code == definition.status
    assert body["title"] == definition.title
    assert body["detail"]
    return body


def test_every_definition_is_an_error_with_something_to_do() -> None:
    for slug, definition in CATALOGUE.items():
        assert slug.replace("-", "").isalpha()
        assert slug.islower()
        assert 400 <= definition.status < 600
        assert definition.remedy.endswith(".")
        assert not definition.title.endswith(".")


def test_the_service_raises_what_is_in_the_catalogue_and_nothing_else() -> None:
    service = Path(__file__).parents[1] / "service"
    code = {file: file.read_text(encoding="utf-8") for file in service.rglob("*.py")}
    raised = {slug for text in code.values() for slug in RAISED.findall(text)}

    assert raised - {"slug"} <= CATALOGUE.keys()  # "slug" is in the explanation of how to raise
    # Twice in problems.py, or elsewhere: more than its definition.
    assert [slug for slug in CATALOGUE if "".join(code.values()).count(f'"{slug}"') < 2] == []


def test_a_slug_outside_the_catalogue_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Problem("no-such-slug")


async def test_a_problem_carries_its_detail_headers_and_members(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/refuse")

    assert answer.status_code == 402
    assert answer.headers["Retry-After"] == "5"
    assert told(answer) == {
        "type": "/problems/walled",
        "title": "The article is behind the paywall",
        "status": 402,
        "detail": "Closed.",
        "wall": {"kind": "subscribe"},
    }


def test_without_a_detail_of_its_own_it_says_the_remedy() -> None:
    assert Problem("not-found").body()["detail"] == CATALOGUE["not-found"].remedy


async def test_unknown_addresses_and_methods(client: httpx2.AsyncClient) -> None:
    assert told(await client.get("/nothing"))["type"] == "/problems/not-found"
    answer = await client.get("/notes")
    assert told(answer)["type"] == "/problems/method-not-allowed"
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/notes", "/raw"])
async def test_a_body_over_the_limit_names_the_limit(client: httpx2.AsyncClient, path: str) -> None:
    body = told(await client.post(path, content=b" " * (LIMIT + 1), headers=JSON))

    assert body["type"] == "/problems/body-too-large"
    assert body["detail"] == "At most 2 KiB are accepted."


async def test_a_body_that_grows_over_the_limit_while_it_is_sent() -> None:
    answers: list[Message] = []
    chunks = 0

    async def receive() -> Message:
        nonlocal chunks
        chunks += 1
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/raw", "raw_path": b"/raw", "query_string": b"",
        "headers": [], "scheme": "http", "server": ("news.test", 80), "root_path": "",
    }  # fmt: skip
    await application()(scope, receive, send)

    assert chunks == 3
    assert answers[0]["status"] == 413


async def test_a_body_of_just_the_limit_passes(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/raw", content=b" " * LIMIT)

    assert answer.json() == {"bytes": LIMIT}


@pytest.mark.parametrize("path", ["/notes", "/optional"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_a_body_of_another_type(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    body = told(await client.post(path, content=b'{"title": "salt"}', headers=headers))

    assert body["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("content", [b'{"title": ', b"", b"{'title': 1}", b"[" * 2000, b"\x00"])
async def test_malformed_json(client: httpx2.AsyncClient, content: bytes) -> None:
    answer = await client.post("/notes", content=content, headers=JSON)

    expected = "malformed-request" if content else "invalid-request"
    assert told(answer)["type"] == f"/problems/{expected}"


async def test_malformed_json_is_shown_where(client: httpx2.AsyncClient) -> None:
    body = told(await client.post("/notes", content=b'{"count" 1}', headers=JSON))

    assert body["detail"] == "The body isn't valid JSON: look at character 9."


@pytest.mark.parametrize("content", [b'{"title": "\xff"}', b"\xff\xfe\x00"])
async def test_invalid_utf_8(client: httpx2.AsyncClient, content: bytes) -> None:
    answer = await client.post("/notes", content=content, headers=JSON)

    assert told(answer)["type"] == "/problems/malformed-request"


@pytest.mark.parametrize("content", [b'{"title": "\xed\xa0\x80"}', b'{"title": "\\ud800"}'])
async def test_half_of_a_character(client: httpx2.AsyncClient, content: bytes) -> None:
    body = told(await client.post("/notes", content=content, headers=JSON))

    assert [error["field"] for error in body["errors"]] == ["body.title"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"price": 1}, "body.price"),
        ({"count": "many"}, "body.count"),
        ({"title": "LOUD"}, "body.title"),
        ({"author": "Hesper"}, "body.author"),
        ({"author": {"name": 1}}, "body.author.name"),
        ([1], "body"),
        ("text", "body"),
        (None, "body"),
    ],
)
async def test_invalid_values_are_named(client: httpx2.AsyncClient, sent: Any, field: str) -> None:
    body = told(await client.post("/notes", content=json.dumps(sent).encode(), headers=JSON))

    assert body["type"] == "/problems/invalid-request"
    assert [error["field"] for error in body["errors"]] == [field]
    assert field in body["detail"]
    assert all(error.keys() == {"field", "message"} for error in body["errors"])


async def test_messages_are_for_callers_not_for_us(client: httpx2.AsyncClient) -> None:
    body = told(await client.post("/notes", json={"title": "LOUD", "author": 3}))

    assert [error["message"] for error in body["errors"]] == [
        "small letters only",
        "It isn't a JSON object. Send an object with the fields that the API's document names.",
    ]


async def test_a_surprise_is_told_without_its_details(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged:
        answer = await client.get("/surprise")

    assert told(answer)["type"] == "/problems/internal-error"
    assert "1234" not in answer.text
    assert [(line["event"], line["path"]) for line in logged] == [("request.failed", "/surprise")]
    assert logged[0]["exc_info"]


async def test_a_failing_server_behind_us_is_no_fault_of_the_caller(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/gateway")

    assert told(answer)["type"] == "/problems/internal-error"
    assert "10.0.0.7" not in answer.text


async def test_an_answer_already_begun_is_broken_off(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged, pytest.raises(RuntimeError, match="and then nothing"):
        await client.get("/half")

    assert [line["event"] for line in logged] == ["request.failed"]
