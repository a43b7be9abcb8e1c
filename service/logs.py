"""Structured logs: one event a line, with the request's id, and never a secret."""

import io
import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from random import getrandbits
from typing import Any, Literal, TextIO, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# structlog takes rich, a fifteenth of what a start imports, for tracebacks that are never written here.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # so it counts as not installed
import structlog  # noqa: E402
from structlog.tracebacks import ExceptionDictTransformer  # noqa: E402
from structlog.typing import EventDict, Processor, WrappedLogger  # noqa: E402

if sys.modules.get("rich") is None:
    sys.modules.pop("rich", None)

_SECRET_NAMES = re.compile(
    r"secret|password|token|claim|cookie|authorization|api_key|signature|card", re.IGNORECASE
)
_SECRET_VALUES = re.compile(
    r"(?:sk|rk)_(?:test|live)_\w+|whsec_\w+"  # Stripe's keys
    r"|pwk_[\w-]+"  # our API keys
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"  # JWTs
    r"|v1\.[\w-]{22}\.[\w-]{43}"  # signed devices
    r"|ses_[0-9a-f]{24}\.[\w.-]+"  # refresh tokens
    r"|(?<=earer )[\w.~+/=-]+"  # what follows Bearer
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"  # user and password in an address
)
_MARKS = ("sk_", "rk_", "whsec_", "pwk_", "eyJ", "v1.", "ses_", "earer ", "://")
"""Each of those shapes has one of them. To look for them takes a tenth of looking for the shapes."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger()


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace secrets by `[redacted]`, whether known by their field's name or by their shape.

    Looks into lists and mappings too: a traceback is made of them.
    """
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if _is_secret(name):
        return "[redacted]"
    match value:
        case str():
            return _without_secrets(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): _redacted(str(key), each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(name, each) for each in value]
        case _:
            # The renderer would write the repr of what is no text, secrets and all.
            return _without_secrets(repr(value))


def _without_secrets(text: str) -> str:
    for mark in _MARKS:
        if mark in text:
            return _SECRET_VALUES.sub("[redacted]", text)
    return text


@lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    """By its name: an event's names are of the code, and few."""
    return _SECRET_NAMES.search(name) is not None


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _as_json(event: EventDict, **_: Any) -> str:
    """`redact` left nothing that JSON can't say."""
    return _encode(event)


def _on_one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape control characters, so that nothing from outside can look like a line of the log."""
    return {
        name: _CONTROL.sub(lambda found: repr(found.group())[1:-1], value)
        if isinstance(value, str) and name not in {"exception", "stack"}
        else value
        for name, value in event.items()
    }


class _StandardError(io.TextIOBase):
    """Standard error as it is at each write: loggers are kept, and a redirection ends before they do."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Send our own events and those of the libraries through one chain to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks become text or lists before `redact` looks at them; local variables never get in.
    last: list[Processor] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            redact,
            structlog.processors.JSONRenderer(_as_json),
        ]
        if form == "json"
        else [
            structlog.processors.format_exc_info,
            redact,
            _on_one_line,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    )
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # A line is one write: lines of several workers don't run into each other.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(max(threshold, logging.WARNING))


def request_id_of(given: bytes) -> str:
    """The id that came with the request, such as a proxy's; a new one where it is none."""
    text = given.decode("latin-1") if given else ""
    return text if _REQUEST_ID.fullmatch(text) else f"{getrandbits(64):016x}"


def log_request(scope: Scope, status: int, started: float, request_id: str) -> None:
    """The line of an answered request that began at `started` (`time.perf_counter`)."""
    if not log.is_enabled_for(logging.INFO):
        return  # to put it together takes as long as the look
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        ms=round((time.perf_counter() - started) * 1000, 1),
        request_id=request_id,
    )


class RequestLog:
    """ASGI: gives each request an id (or keeps a proxy's), answers it, and logs the outcome.

    Only the path is logged: a query may hold a Checkout session's id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id", b""))
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                log_request(scope, status, started, request_id)
