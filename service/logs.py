"""Structured logs: one event a line, with the request's id, and never a secret."""

import logging
import re
import secrets
import sys
import time
from typing import Any, Literal

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_NAMES = re.compile(
    r"secret|password|token|claim|cookie|authorization|api_key|signature|card", re.IGNORECASE
)
_SECRET_VALUES = re.compile(
    r"(?:sk|rk)_(?:test|live)_\w+|whsec_\w+|pwk_\w+|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger()


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace secrets by `[redacted]`, whether known by their field's name or by their shape."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return "[redacted]"
    return _SECRET_VALUES.sub("[redacted]", value) if isinstance(value, str) else value


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Send our own events and those of the libraries through one chain to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.processors.dict_tracebacks, redact, structlog.processors.JSONRenderer()]
        if form == "json"
        else [redact, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(max(threshold, logging.WARNING))


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
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
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
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                )
