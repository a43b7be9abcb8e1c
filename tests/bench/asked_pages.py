"""The back office as an operator's browser sees it, in this process: what a page leads to, and how long each takes."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from html.parser import HTMLParser
from http import HTTPStatus
from time import perf_counter, process_time
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

Application = Callable[..., Awaitable[None]]
SEARCHED = {
    "query": "reader12345@",
    "source": "elsewhere",
    "campaign": "elsewhere",
    "code": "RADIO",
}
"""What is typed into a field of these names."""
_ROOTS = ("/admin", "/v1/admin")
_FIGURE = re.compile(r"(/v1)?/admin/reports/[^/]+")
_ID = re.compile(r"\b(?:[a-z]+_)+[0-9a-fA-F]{8,}x?|\barticle-\d+|\d{4}-\d\d-\d\d|\b[0-9a-f]{12,}\b")


class Answer(NamedTuple):
    """`first_ms` until the first row of a file, `ms` until the end, `cpu_ms` of this process."""

    status: int
    content_type: str
    body: str
    first_ms: float
    ms: float
    cpu_ms: float

    @property
    def is_page(self) -> bool:
        return self.content_type.startswith("text/html")


async def ask(app: Application, address: str, cookie: str) -> Answer:
    """GET; of a file only what comes first, then the reader goes away."""
    parts, began, cpu = urlsplit(address), perf_counter(), process_time()
    scope: MutableMapping[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": parts.path, "raw_path": parts.path.encode(), "root_path": "",
        "query_string": parts.query.encode(), "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "headers": [(b"host", b"127.0.0.1:8000"), (b"cookie", cookie.encode())],
    }  # fmt: skip
    start: MutableMapping[str, Any] = {}
    chunks: list[bytes] = []
    moments: list[float] = []
    gone, asked = asyncio.Event(), False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message.get("body"):
            chunks.append(message["body"])
            moments.append(perf_counter())
            # Of a file the first part is its header.
            if len(chunks) > 1:
                gone.set()

    # A file whose later rows take too long breaks off: the server closes the connection.
    broken = False
    try:
        await app(scope, receive, send)
    except RuntimeError:
        broken = True
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    ended = perf_counter()
    first = moments[min(1, len(moments) - 1)] if moments else ended
    return Answer(
        HTTPStatus.SERVICE_UNAVAILABLE if broken else start["status"], headers.get("content-type", ""), b"".join(chunks).decode(),
        (first - began) * 1000, (ended - began) * 1000, (process_time() - cpu) * 1000,
    )  # fmt: skip


def leads_to(address: str, page: str) -> Iterator[str]:
    """Where the page's links lead within the back office, and each of its filters."""
    found = _Page()
    found.feed(page)
    for each in (*(urljoin(address, link) for link in found.links), *found.filtered(address)):
        parts = urlsplit(each)
        # What a figure can be split and filtered by is measured with the figures.
        if parts.path.startswith(_ROOTS) and not (parts.query and _FIGURE.fullmatch(parts.path)):
            yield each.partition("#")[0]


def kind_of(address: str) -> str:
    """The same for addresses that differ by whom, what or which day they are about."""
    parts = urlsplit(address)
    named = "&".join(
        f"{name}=…" if name in {"cursor", "view"} else f"{name}={_ID.sub('…', value)}"
        for name, value in sorted(parse_qsl(parts.query))
    )
    path = _ID.sub("…", parts.path)
    return f"{path}?{named}" if named else path


class _Page(HTMLParser):
    """Its links, and its forms that ask."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self._forms: list[tuple[str, dict[str, list[str]]]] = []
        self._fields: dict[str, list[str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "form":
            self._fields = {} if given.get("method", "get").lower() == "get" else None
            if self._fields is not None:
                self._forms.append((given.get("action", ""), self._fields))
        elif self._fields is None:
            return
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and given.get("value"):
            self._fields.setdefault(self._select, []).append(given["value"])
        elif tag == "input" and given.get("name") in SEARCHED:
            self._fields[given["name"]] = [SEARCHED[given["name"]]]
        elif tag == "input" and "required" in given:
            # Without it nothing is answered.
            self._forms.pop()
            self._fields = None

    def filtered(self, address: str) -> list[str]:
        """One field at a time."""
        return [
            f"{urljoin(address, action)}?{urlencode({name: value})}"
            for action, fields in self._forms
            for name, values in fields.items()
            for value in values
        ]
