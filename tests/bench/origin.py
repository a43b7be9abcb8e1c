"""How many requests a thousand page views cost the origin, behind a cache that keeps to `Cache-Control` and an edge
that verifies tokens itself (docs/edge.md).

The views are invented, the answers and how long they may be kept are a running service's.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import httpx2

from tests.bench.load import Request
from tests.bench.ratios import repeatable
from tests.bench.reads import OTHERS, PAID, READ, Readers, serving

VIEWS, SECONDS = 1_000, 3_600.0
"""An hour of a small newspaper."""
LONGEST_VISIT, BETWEEN, AGAIN, SUBSCRIBERS = 5, 120.0, 0.25, 0.2
"""Views of a visit and the most seconds between two of them; the share of views of the article before, and of visits
by a subscriber, whose browser has an access token.
"""
ARTICLES = {READ: 40, OTHERS[0]: 25, OTHERS[1]: 15, OTHERS[2]: 10, PAID: 10}
TEASER, UNLOCK, TOKEN, KEYS = "teasers", "unlocking", "access tokens", "the key set"
_MAX_AGE = re.compile(r"max-age=(\d+)")


class View(NamedTuple):
    """A page view, at a second of the story."""

    reader: int
    slug: str
    at: float
    subscribes: bool


class Edge:
    """What stands before the service. It holds the articles, and asks for what it may not know any more."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._fresh_until: dict[str, float] = {}
        self._devices: dict[int, tuple[str, str]] = {}
        self._subscriber = readers.subscriber()
        self._opened: dict[tuple[int, str], float] = {}
        self.asked: Counter[str] = Counter()

    def view(self, view: View) -> None:
        """A reader opens the article's page."""
        reader, slug, now = view.reader, view.slug, view.at
        self._keep(TEASER, f"/v1/articles/{slug}", now)
        opened = "" if view.subscribes else slug  # an access token opens all of them
        if now < self._opened.get((reader, opened), 0):
            self._keep(KEYS, "/.well-known/jwks.json", now)
            return
        if view.subscribes:
            answer = self._ask(TOKEN, Request("POST", "/v1/session/token", self._subscriber))
            self._opened[reader, opened] = now + answer.json()["expires_in"]
            return
        device = self._devices.setdefault(reader, self._readers.device())
        answer = self._ask(UNLOCK, Request("POST", f"/v1/articles/{slug}/unlock", (device,), "{}"))
        if answer.status_code == httpx2.codes.OK:
            ends = datetime.fromisoformat(answer.json()["token_expires_at"])
            self._opened[reader, slug] = now + (ends - datetime.now(UTC)).total_seconds()

    def _keep(self, kind: str, path: str, now: float) -> None:
        if now < self._fresh_until.get(path, 0):
            return
        found = _MAX_AGE.search(self._ask(kind, Request("GET", path)).headers["Cache-Control"])
        assert found is not None
        self._fresh_until[path] = now + int(found[1])

    def _ask(self, kind: str, request: Request) -> httpx2.Response:
        self.asked[kind] += 1
        return self._readers.send(request)


def views(random: Random) -> list[View]:
    """Who opens what, and when: in visits of a few views."""
    found: list[View] = []
    for visit in range(VIEWS):
        at, subscribes = random.uniform(0, SECONDS), random.random() < SUBSCRIBERS
        slug = ""
        for _ in range(random.randint(1, LONGEST_VISIT)):
            if not slug or random.random() >= AGAIN:
                slug = random.choices([*ARTICLES], [*ARTICLES.values()])[0]
            found.append(View(visit, slug, at, subscribes))
            at += random.uniform(0, BETWEEN)
        if len(found) >= VIEWS:
            break
    return sorted(found[:VIEWS], key=lambda view: view.at)


def bench(make: Callable[[str], str], say: Callable[[str], None]) -> None:
    """The requests by kind, of a thousand views."""
    with serving(make("SQLite")) as (settings, _):
        edge = Edge(Readers(settings))
        for view in views(repeatable(7)):
            edge.view(view)
    say("\n| of 1,000 page views | requests to the origin |")
    say("|---|---|")
    for kind, count in edge.asked.most_common():
        say(f"| {kind} | {count:,} |")
    say(f"| together | {edge.asked.total():,} |")
