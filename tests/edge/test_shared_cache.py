"""nginx as a shared cache in front of the service: it keeps teasers, and never what one reader may read."""

import asyncio
import gzip
import itertools
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import brotli
import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from tests.conftest import MovingClocks, settings_of
from tests.edge.test_real_answers import register
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.served import CANARY, Installation, installation, serving
from tests.setups.frontends import MAIL_FROM
from tests.setups.recipes import recipe
from tests.setups.test_same_host import NGINX, running

REQUESTS = 1_500
AT_ONCE = 12
LEVELS = {"open": "free", "counted": "metered", "known": "registered", "paid": "subscribers"}
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
IN_LIBRARY, AT_GOOGLE = "198.51.100.9", "192.0.2.9"
"""The test's own address is a trusted proxy's, so what it says of its caller is believed."""
PLACES = (
    "/v1/articles/{}",
    "/v1/articles/{}",
    "/v1/articles/{}/full",
    "/v1/articles/{}/access",
    "/articles/{}",
)


@dataclass(frozen=True)
class Audience:
    """Readers who send these headers, and the articles that they may read whole by a GET."""

    name: str
    may_read: frozenset[str]
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Installation]:
    path = tmp_path_factory.mktemp("cached") / "paywall.db"
    settings = settings_of(f"sqlite:///{shutil.copyfile(migrated_file, path)}")
    changes = {"mail_from": MAIL_FROM, "trusted_proxies": ("127.0.0.1",), "meter_limit": 1}
    settings = settings.model_copy(update=changes)
    with installation(settings, MovingClocks(datetime.now(UTC)), webhooks=False) as made:
        for slug, level in LEVELS.items():
            made.publish(slug, access={"level": level})
        made.publish("open", access={"level": "free"}, body="<p>Free.</p>")
        made.publish("filler")
        yield made


@contextmanager
def caching(service: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """nginx with the lines of the page in front of this address: its own, and the folder that it keeps answers in."""
    if NGINX is None:
        pytest.skip("nginx isn't installed")
    port, kept = free_port(), folder / "kept"
    zone, of_server = recipe("paywall-cache.conf", {"cache/paywall": str(kept)}).split(
        "# in server { … }"
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{zone}server {{\nlisten 127.0.0.1:{port};\n{of_server}"
        f"proxy_http_version 1.1;\nproxy_set_header Connection '';\nproxy_set_header Host $host;\n"
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
        f"location / {{ proxy_pass {service}; }}\n}}\n}}\n"
    )
    command = [str(NGINX), "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
    with running(command, port):
        yield f"http://127.0.0.1:{port}", kept


def set_up(made: Installation) -> None:
    """A library that subscribes, and a search engine that gets the whole text."""
    staff = {"Authorization": f"Bearer {made.api_key}"}
    library = {"name": "Library", "plan": "digital", "networks": ["198.51.100.0/24"]}
    rules = {
        "levels": {"default": {"level": "metered"}}, "crawlers": {"search": "full_verified"},
        "meter": {"window": "month", "anonymous": 1, "registered": 5},
    }  # fmt: skip
    for path, body in (
        ("institutions/library", library), ("rules", rules),
        ("crawlers/googlebot/addresses", {"list": "192.0.2.0/27"}),
    ):  # fmt: skip
        answer = made.browser.put(f"/v1/admin/{path}", json=body, headers=staff)
        assert answer.status_code == 200, answer.text
    for address in (IN_LIBRARY, AT_GOOGLE):
        wait_until(partial(is_open_at, made, address), "the network is known")


def is_open_at(made: Installation, address: str) -> bool:
    with made.new_browser(headers={"X-Forwarded-For": address}) as somebody:
        return CANARY in somebody.get("/articles/paid").text


def audiences(made: Installation) -> list[Audience]:
    nobodys = frozenset({"open"})
    subscriber = made.browser
    made.subscribe("monthly")
    token = made.unlock("paid").json()["token"]
    registered, stopped, given = (made.new_browser() for _ in range(3))
    gift = subscriber.post("/v1/articles/paid/gift-links").json()["gift"]
    assert given.post("/v1/articles/paid/unlock", json={"gift": gift}).status_code == 200
    register(made, registered)
    assert made.unlock("filler", stopped).status_code == 200
    assert made.unlock("counted", stopped).status_code == 402

    def cookies_of(browser: httpx2.Client) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)}

    return [
        Audience("anonymous", nobodys),
        Audience("stopped", nobodys, cookies_of(stopped)),
        Audience("registered", nobodys | {"known"}, cookies_of(registered)),
        Audience("subscriber", frozenset(LEVELS), cookies_of(subscriber)),
        Audience("token", nobodys | {"paid"}, {"Authorization": f"Bearer {token}"}),
        Audience("crawler", nobodys, {"User-Agent": CRAWLER}),
        Audience("pretended crawler", nobodys, {"User-Agent": CRAWLER, "X-Forwarded-For": "66.249.66.1"}),
        Audience("verified crawler", frozenset(LEVELS), {"X-Forwarded-For": AT_GOOGLE}),
        Audience("institution", frozenset(LEVELS), {"X-Forwarded-For": IN_LIBRARY}),
        Audience("gift", nobodys | {"paid"}, cookies_of(given)),
        Audience("ahead", nobodys, {"Sec-Purpose": "prefetch"}),
        Audience("in part", nobodys, {"Range": "bytes=100-"}),
        Audience("subscriber in part", frozenset(LEVELS), cookies_of(subscriber) | {"Range": "bytes=0-"}),
        Audience("again", nobodys, {"If-None-Match": "*"}),
        Audience("since", nobodys, {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}),
    ]  # fmt: skip


async def ask_all(
    url: str, everybody: list[Audience]
) -> list[tuple[Audience, str, httpx2.Response]]:
    """Requests of all of them in a random order, which a failure doesn't depend on: any leak is one."""
    chosen = random.Random(20_261_129)  # noqa: S311 no secret
    room = asyncio.Semaphore(AT_ONCE)
    limits = httpx2.Limits(max_connections=AT_ONCE)
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as client:
        tags = ['"x"']

        async def ask() -> tuple[Audience, str, httpx2.Response]:
            audience, slug = chosen.choice(everybody), chosen.choice(tuple(LEVELS))
            method = chosen.choice(("GET", "GET", "GET", "HEAD"))
            headers = {
                "Accept-Encoding": chosen.choice(("gzip", "br", "identity")),
                **audience.headers,
            }
            if audience.name == "again":
                headers["If-None-Match"] = chosen.choice(tags)
            async with room:
                path = chosen.choice(PLACES).format(slug)
                answer = await client.request(method, path, headers=headers)
            if "ETag" in answer.headers:
                tags.append(answer.headers["ETag"])
            client.cookies.clear()
            return audience, slug, answer

        return await asyncio.gather(*(ask() for _ in range(REQUESTS)))


def stored(kept: Path) -> Iterator[tuple[str, str]]:
    """What nginx keeps: headers and text of each answer."""
    for file in kept.rglob("*"):
        if file.is_file():
            head, _, body = file.read_bytes().partition(b"\r\n\r\n")
            headers = head[head.index(b"HTTP/1.1") :].decode("latin-1")
            if "Content-Encoding: br" in headers.title().replace("Br", "br"):
                body = brotli.decompress(body)
            elif body.startswith(b"\x1f\x8b"):
                body = gzip.decompress(body)
            yield headers.lower(), body.decode()


def test_a_shared_cache_keeps_teasers_and_never_a_readers_text(
    made: Installation, tmp_path: Path
) -> None:
    with caching(made.url, tmp_path) as (url, kept):
        set_up(made)
        answers = asyncio.run(ask_all(url, audiences(made)))
        files = list(stored(kept))
    opened = [(audience.name, slug) for audience, slug, answer in answers if CANARY in answer.text]
    allowed = {(audience.name, slug) for audience, slug, _ in answers if slug in audience.may_read}
    assert set(opened) <= allowed, set(opened) - allowed
    assert {
        ("subscriber", "paid"), ("token", "paid"), ("registered", "known"), ("gift", "paid"),
        ("institution", "paid"), ("verified crawler", "paid"),
    } <= set(opened)  # fmt: skip
    cached = Counter(
        answer.request.url.path.rpartition("/")[0]
        for *_, answer in answers
        if answer.headers.get("X-Cache") == "HIT"
    )
    assert set(cached) == {"/v1/articles"}
    assert cached["/v1/articles"] > REQUESTS // 4
    assert {answer.status_code for *_, answer in answers} <= {200, 206, 304, 401, 403}
    assert files
    for headers, text in files:
        assert "cache-control: public" in headers
        assert "set-cookie" not in headers
        assert CANARY not in text


class Closing:
    """An article that is free once and for subscribers after; the first to ask after the change waits for the second."""

    def __init__(self) -> None:
        self.waits, self.answered = threading.Event(), threading.Event()
        self._asked = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        asked = next(self._asked)
        if asked == 2:
            self.waits.set()
            await asyncio.to_thread(self.answered.wait, PATIENCE)
        # nginx takes the instant from this header: the first answer is kept, and past its time at once.
        kept = [(b"x-accel-expires", b"@1")] if asked == 1 else []
        headers = [(b"cache-control", b"public, max-age=60"), *kept]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        text = CANARY if asked == 1 else "The preview."
        await send({"type": "http.response.body", "body": text.encode()})


async def lifespan(receive: Receive, send: Send) -> None:
    for done in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{done}.complete"})


def test_nobody_gets_the_old_level_while_another_request_fetches_the_new_one(
    tmp_path: Path,
) -> None:
    article = Closing()
    with (
        serving(article, free_port()) as service,
        caching(service, tmp_path) as (url, _),
        httpx2.Client(base_url=url, timeout=PATIENCE) as reader,
        ThreadPoolExecutor(1) as beside,
    ):
        assert reader.get("/v1/articles/ferry").text == CANARY
        first = beside.submit(httpx2.get, f"{url}/v1/articles/ferry", timeout=PATIENCE)
        assert article.waits.wait(PATIENCE)
        try:
            second = reader.get("/v1/articles/ferry")
        finally:
            article.answered.set()
        assert [second.text, first.result().text] == ["The preview."] * 2
