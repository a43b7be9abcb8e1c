"""The log: one event a line, with the request's id, and never a secret."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import structlog
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from service.logs import RequestLog, redact
from tests.patience import PATIENCE

PLAIN = {
    "event": "inbox.applied", "attempts": 3, "ms": 1.5, "ok": True, "reader": "rd_7", "none": None,
    "url": "https://news.example.org/articles/salt", "stripe": "cs_test_a1b2", "price": "price_1",
}  # fmt: skip
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
DEVICE = f"v1.{'a' * 22}.{'b' * 43}"


def redacted(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", event))


def test_what_is_no_secret_stays() -> None:
    assert redacted(**PLAIN) == PLAIN


@pytest.mark.parametrize(
    "name",
    [
        "secret", "secret_key", "password", "token", "access_token", "claim", "cookie", "Set-Cookie",
        "Authorization", "api_key", "stripe_signature", "card",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", 4242, ["hunter2"], {"a": "hunter2"}])
def test_secrets_are_known_by_their_names(name: str, value: object) -> None:
    assert redacted(**{name: value}) == {name: "[redacted]"}


@pytest.mark.parametrize(
    "secret",
    [
        "sk_test_51Abc",
        "sk_live_51Abc",
        "rk_live_51Abc",
        "whsec_0123abcd",
        "pwk_ab12_Cd-34_ef",
        JWT,
        DEVICE,
        f"ses_{'0a' * 12}.{'b' * 43}.{'c' * 22}",
    ],
)
def test_secrets_are_known_by_their_shape(secret: str) -> None:
    assert redacted(reason=f"got {secret}, refused") == {"reason": "got [redacted], refused"}


def test_what_follows_bearer_is_a_secret() -> None:
    assert redacted(line="authorization: Bearer abc.d-e_f=") == {
        "line": "authorization: Bearer [redacted]"
    }


@pytest.mark.parametrize("login", ["paywall:hunter2", ":hunter2", "paywall:p%40ss%3Aword"])
def test_passwords_in_addresses_are_secrets(login: str) -> None:
    assert redacted(url=f"postgresql://{login}@database/paywall") == {
        "url": "postgresql://[redacted]@database/paywall"
    }


def test_secrets_are_found_at_any_depth() -> None:
    event = {"frames": [{"name": "start", "locals": {"token": "hunter2", "key": "sk_test_1"}}]}

    assert redacted(exception=(event,)) == {
        "exception": [
            {"frames": [{"name": "start", "locals": {"token": "[redacted]", "key": "[redacted]"}}]}
        ]
    }


def test_what_is_no_text_is_looked_at_as_it_would_be_written() -> None:
    event = redacted(
        error=ValueError("no such key: sk_test_1"),
        raw=b"whsec_0123",
        at=datetime(2026, 3, 10, tzinfo=UTC),
        held=SecretStr("hunter2"),
    )

    assert event["error"] == "ValueError('no such key: [redacted]')"
    assert event["raw"] == "b'[redacted]'"
    assert "2026" in event["at"]
    assert "hunter2" not in event["held"]


def answering(app: ASGIApp) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=RequestLog(app))
    return httpx2.AsyncClient(transport=transport, base_url="http://news.test")


async def say_hello(_: Scope, __: Receive, send: Send) -> None:
    structlog.get_logger().info("inside")
    await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def fail(_: Scope, __: Receive, ___: Send) -> None:
    raise RuntimeError("no")


async def test_a_request_gets_an_id_that_the_answer_and_every_line_carry() -> None:
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        async with answering(say_hello) as client:
            first = await client.get("/articles/salt")
            second = await client.get("/articles/salt")

    ids = [first.headers["X-Request-Id"], second.headers["X-Request-Id"]]
    assert len(set(ids)) == 2
    assert all(len(made) == 16 for made in ids)
    assert first.headers["a"] == "b"
    assert [(line["event"], line["request_id"]) for line in lines] == [
        ("inside", ids[0]),
        ("request", ids[0]),
        ("inside", ids[1]),
        ("request", ids[1]),
    ]
    assert structlog.contextvars.get_contextvars() == {}


async def test_the_outcome_is_logged_without_the_query() -> None:
    with capture_logs() as lines:
        async with answering(say_hello) as client:
            await client.post("/account/sign-in?token=hunter2")

    [line] = [line for line in lines if line["event"] == "request"]
    assert isinstance(line.pop("ms"), float)
    assert len(line.pop("request_id")) == 16
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": "/account/sign-in",
        "status": 201,
    }


@pytest.mark.parametrize("given", ["edge-7f3a.2_x", "a" * 8, "a" * 64])
async def test_a_proxys_id_is_kept(given: str) -> None:
    async with answering(say_hello) as client:
        answer = await client.get("/", headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "with space", 'quote"quote', "é" * 10])
async def test_an_id_that_could_be_anything_is_not_kept(given: str) -> None:
    async with answering(say_hello) as client:
        answer = await client.get("/", headers={b"X-Request-Id": given.encode("latin-1")})

    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 16


async def test_a_request_that_fails_is_logged_as_such() -> None:
    with capture_logs() as lines, pytest.raises(RuntimeError):
        async with answering(fail) as client:
            await client.get("/")

    assert [(line["event"], line["status"]) for line in lines] == [("request", 500)]


SCRIPT = """
import logging, sys, structlog
from service import logs

logs.configure(sys.argv[1], sys.argv[2])
log = structlog.get_logger()
log.debug("quiet")
log.info("offers.waiting", path="/a\\n2026 [error] forged", words="Salz und Ähren")
logging.getLogger("uvicorn.error").info("a library's chatter")
logging.getLogger("uvicorn.error").warning("key %s refused", "sk_test_library")

def ask(credentials):
    raise ValueError("refused: whsec_0123")

try:
    ask("hunter2")
except ValueError:
    log.exception("request.failed")
    logging.getLogger("asyncio").exception("task failed")
"""


def written(level: str, form: str) -> str:
    """What a process that is configured so writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, level, form],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_as_json_each_event_is_one_line() -> None:
    lines = [json.loads(line) for line in written("info", "json").splitlines()]

    assert [line["event"] for line in lines] == [
        "offers.waiting",
        "key [redacted] refused",
        "request.failed",
        "task failed",
    ]
    assert [line["level"] for line in lines] == ["info", "warning", "error", "error"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["path"] == "/a\n2026 [error] forged"
    assert lines[0]["words"] == "Salz und Ähren"
    [failure] = lines[2]["exception"]
    assert failure["exc_type"] == "ValueError"
    assert failure["exc_value"] == "refused: [redacted]"
    assert [frame["name"] for frame in failure["frames"]] == ["<module>", "ask"]


def test_as_text_nothing_from_outside_begins_a_line() -> None:
    text = written("info", "text")

    assert "\n2026 [error] forged" not in text
    assert "offers.waiting" in text
    assert "ValueError: refused: [redacted]" in text


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_local_variable_and_no_secret_is_written(form: str) -> None:
    text = written("debug", form)

    assert "hunter2" not in text.replace('ask("hunter2")', "")
    assert "sk_test_library" not in text
    assert "whsec_0123" not in text.replace('"refused: whsec_0123"', "")


def test_the_level_holds_for_us_and_libraries_alike() -> None:
    assert '"quiet"' in written("debug", "json")
    events = [json.loads(line)["event"] for line in written("error", "json").splitlines()]
    assert events == ["request.failed", "task failed"]


REDIRECTED = """
import contextlib, io, structlog
from service import logs

log = structlog.get_logger()
with contextlib.redirect_stderr(io.StringIO()) as elsewhere:
    logs.configure("info", "json")
    log.info("first")
elsewhere.close()
log.info("second")
"""


def test_a_logger_outlives_a_redirection_of_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REDIRECTED],
        capture_output=True, encoding="utf-8", timeout=PATIENCE, check=True,
    )  # fmt: skip

    assert json.loads(done.stderr)["event"] == "second"
