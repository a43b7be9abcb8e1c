"""Unlocking an article in memory without the router, by what the router would call.

What a frontend sends for each reader is read here in one look; whatever else is in a request goes to the
router. Its answers and refusals have the same status, headers and members.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from service.access.answers import Answered, UnlockAnswers
from service.access.cookieless import network_of_caller
from service.access.gifts import Gifts
from service.access.metered import is_former
from service.access.openings import Openings
from service.access.read import ReadRequest
from service.access.reader_memory import KnownReader, ReaderMemory
from service.access.revocations import Revocations
from service.access.schemas import UnlockIn
from service.access.unlock import count_answer
from service.access.visits import visit_of
from service.boundary import fault_of
from service.content.article import StoredArticle
from service.content.cache import ArticleCache, CachedArticle
from service.crawlers.verifiers import KnownCrawlers
from service.db.context import context_in
from service.encoded import Head, Whole
from service.grants.places import InstitutionNetworks
from service.grants.store import live_grants_of
from service.identity import experiment_consent
from service.identity.callers import Caller, article_reader
from service.identity.cookies import cookie_name, read_cookie
from service.identity.devices import HEADER, DeviceKey
from service.identity.experiment_consent import said_in, takes_part
from service.identity.handover import remember_device
from service.identity.origins import AnswerHeaders
from service.limits.addresses import client_address
from service.logs import log_request, request_id_of
from service.metering.ledger import Noted
from service.metering.meter import Metering
from service.metering.store import meter_of, named_meter
from service.metering.window import MeterState
from service.offers.on_sale import Assortment, OnSale
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import Running
from service.tokens.signing import bearer_token
from service.tokens.verifier import TokenVerifier

PREFIX = "/v1/articles/"
Headers = dict[bytes, bytes]
REQUEST_ID = b"x-request-id"
_UNLOCK = "/unlock"
_LONGEST_BODY, _MOST_DIGITS = 16_384, 5
_REMEMBERED_BODY = 64
_JSON = b"application/json"
_CROSS_SITE = b"cross-site"
_DEVICE, _CONSENT = HEADER.lower().encode(), experiment_consent.HEADER.lower().encode()

_OK = 200
_TIED_TO_MORE = frozenset({"network_exhausted", "institution"})
"""Reasons of answers that depend on where the device is, or of which an institution is told."""
_REPEATED = timedelta(seconds=10)
"""So long an answer is given again."""
_MOST_REPEATS = 10_000
_LONGEST_SENT = 1_000
"""Bytes of what was sent, by which an answer is kept with its article."""

_Sent = tuple[int, tuple[bytes, ...], Head]
"""Status, the body's pieces, and headers of an answer."""

log = structlog.get_logger()


class _Repeat(NamedTuple):
    """An answer that is given again for the same copy of the article, until then by wall time, as long as
    the window of `meter_of` is as it says, the same is `sold` (None: it is no wall), the reader, known by this key,
    is as remembered (None: nobody is signed in), and nothing else was revoked. It is recorded each time.
    """

    entry: CachedArticle
    status: int
    parts: tuple[bytes, ...]
    head: Head
    noted: Noted
    until: datetime
    meter_of: str
    meter: MeterState | None
    reader: tuple[Hashable, KnownReader] | None
    sold: Assortment | None
    revocations: int


class HotUnlock:
    """Unlocking in front of the router of one application."""

    def __init__(self, running: Running) -> None:
        self._context = context_in(running)
        self._articles = running.get(ArticleCache)
        self._answers = running.get(UnlockAnswers)
        self._devices = running.get(DeviceKey)
        self._readers = running.get(ReaderMemory)
        self._tokens = running.get(TokenVerifier)
        self._metering = running.get(Metering)
        self._revocations = running.get(Revocations)
        self._on_sale = running.get(OnSale)
        self._gifts, self._openings = running.get(Gifts), running.get(Openings)
        self._rules = running.get(RuleBook)
        self._networks = running.get(InstitutionNetworks)
        self._crawlers = running.get(KnownCrawlers)
        self._common = AnswerHeaders.of(self._context.settings)
        self._repeats: OrderedDict[tuple[str, Hashable], _Repeat] = OrderedDict()
        self._operator = cookie_name("operator", self._context.settings).encode()
        self._completed: dict[bytes | None, Head] = {}

    def is_asked(self, scope: Scope, headers: Headers) -> bool:
        """Whether it is a request to unlock an article and has nothing unusual about it."""
        length = headers.get(b"content-length", b"")
        return (
            scope["method"] == "POST"
            and scope["path"].endswith(_UNLOCK)
            and length.isdigit()
            and len(length) <= _MOST_DIGITS
            and int(length) <= _LONGEST_BODY
            and (headers.get(b"content-type") == _JSON or not int(length))
            and b"sec-purpose" not in headers
            # Without an origin, which the caller has looked at, the browser says it this way.
            and (b"origin" in headers or headers.get(b"sec-fetch-site") != _CROSS_SITE)
        )

    async def answer(self, scope: Scope, headers: Headers, body: bytes) -> Whole | None:
        """The answer to a request that `is_asked`; None: it is the router's, and nothing has been done."""
        started = time.perf_counter()
        if self._may_be_crawler(scope) or self._operator in headers.get(b"cookie", b""):
            return None
        slug, key = scope["path"][len(PREFIX) : -len(_UNLOCK)], _what_was_sent(headers, body)
        repeat = self._repeats.get((slug, key))
        # To wait until it is certain is quicker than to decide anew, which would wait, too.
        if repeat is not None and not await self._is_certain(repeat):
            repeat = None
        now = self._context.clocks.business()
        entry = self._articles.peek(slug, now)
        if self._is_in_network(scope):
            key = repeat = None  # what a network opens depends on more than what was sent
        if repeat is not None and repeat.entry is entry and self._holds(repeat, now):
            self._metering.note(repeat.noted.again(now, self._context.settings.zone))
            count_answer(repeat.noted.entry.reason)
            status, parts, head = repeat.status, repeat.parts, repeat.head
        else:
            wanted = _wanted(body)
            # A gift link is rare, and may change what this process remembers.
            if wanted is None or entry is None or wanted.gift is not None:
                return None
            status, parts, head = await self._unlocked(scope, headers, entry, wanted, key)
        request_id = request_id_of(headers.get(REQUEST_ID, b""))
        heads = (head, self._rest(headers.get(b"origin")), named_by(request_id))
        log_request(scope, status, started, request_id)
        return Whole(status, heads, b"".join(parts))

    async def _unlocked(
        self, scope: Scope, headers: Headers, entry: CachedArticle, wanted: UnlockIn,
        key: Hashable,
    ) -> "_Sent":  # fmt: skip
        sold = self._on_sale.fresh()
        try:
            read = await self._read(scope, headers, entry.article)
            referrer = headers.get(b"referer")
            answered = await self._answers.answer(
                read, wanted, referrer.decode("latin-1") if referrer is not None else None
            )
        except Problem as problem:
            return _plainly(problem.response())
        except Exception:
            log.exception("request.failed", path=scope["path"])
            return _plainly(Problem("internal-error").response())
        head = self._head(scope, answered, read)
        if key is not None and answered.noted is not None:
            self._keep(scope, entry, key, read, answered, answered.noted, head, sold)
        return answered.status, answered.parts, head

    def _keep(
        self, scope: Scope, entry: CachedArticle, key: Hashable, read: ReadRequest,
        answered: Answered, noted: Noted, head: Head, sold: Assortment | None,
    ) -> None:  # fmt: skip
        """Keep the answer to a known device where nothing was counted, of a signed-in reader's one that opens.

        A window only fills up, until it ends: what was read in it is so still, and a full one is full.
        """
        caller, reader = read.caller, None
        if caller.device_id is None or noted.entry.reason in _TIED_TO_MORE:
            return  # it is a new device's, or depends on more, or has more to be recorded
        if answered.status != _OK and (sold is None or sold is not self._on_sale.fresh()):
            return  # what was sold at the wall has just changed, or may have
        if caller.reader_id is not None:
            reader = self._remembered(scope, read) if answered.status == _OK else None
            if reader is None:
                return
        now = self._context.clocks.wall()
        # Those that are over go first: they hold on to copies of articles.
        while self._repeats and next(iter(self._repeats.values())).until <= now:
            self._repeats.popitem(last=False)
        until = now + _REPEATED
        until = min(until, answered.until) if answered.until is not None else until
        self._repeats[entry.article.slug, key] = _Repeat(
            entry, answered.status, answered.parts, head, noted, until,
            named_meter(meter_of(caller) or noted.entry.holder, noted.entry.meter_name),
            answered.meter, reader,
            sold if answered.status != _OK else None, self._revocations.changes,
        )  # fmt: skip
        self._repeats.move_to_end((entry.article.slug, key))
        if len(self._repeats) > _MOST_REPEATS:
            self._repeats.popitem(last=False)

    def _remembered(self, scope: Scope, read: ReadRequest) -> tuple[Hashable, KnownReader] | None:
        """The reader whom the answer was decided for, if none of their grants is about to begin or end."""
        key = self._key_of(Request(scope))
        known = self._readers.find(key) if key is not None else None
        if key is None or known is None or known.held is not read.held:
            return None  # it was read anew
        now = self._context.clocks.business()
        edges = (edge for each in known.held for edge in (each.starts_at, each.ends_at))
        if any(edge is not None and now < edge <= now + _REPEATED for edge in edges):
            return None
        return key, known

    def _holds(self, repeat: "_Repeat", now: datetime) -> bool:
        """Whether it may be given again `now`, in business time."""
        wall = now - self._context.clocks.offset
        if not wall < repeat.until <= wall + _REPEATED:
            return False
        meter, reader = repeat.meter, repeat.reader
        if meter is not None:
            known = self._metering.remembered(repeat.meter_of, meter)
            if known != meter or now >= meter.window.end:
                return False
        return (
            repeat.revocations == self._revocations.changes
            and (repeat.sold is None or self._is_walled_still(repeat.sold, repeat.entry))
            and (reader is None or self._readers.find(reader[0]) is reader[1])
        )

    async def _is_certain(self, repeat: "_Repeat") -> bool:
        """Whether it is known what was opened elsewhere, which matters before a wall."""
        is_known = repeat.sold is None or self._openings.are_certain()
        return is_known or await self._openings.make_certain()

    def _is_walled_still(self, sold: Assortment, entry: CachedArticle) -> bool:
        """Whether a wall that is certain may be shown again: the device may have been given the article meanwhile."""
        return sold is self._on_sale.fresh() and not self._gifts.opened(entry.article.id)

    def _may_be_crawler(self, scope: Scope) -> bool:
        """Whether the router has to find out, since it makes a difference."""
        if self._rules.in_force.rules.crawlers.treat_all_alike:
            return False
        return self._crawlers.may_be_one(visit_of(Request(scope), self._context.settings))

    def _is_in_network(self, scope: Scope) -> bool:
        """Whether it comes from a network that opens something to everybody in it."""
        if not self._networks:
            return False
        return bool(self._networks.at(client_address(Request(scope), self._context.settings)))

    async def _read(self, scope: Scope, headers: Headers, article: StoredArticle) -> ReadRequest:
        settings, clocks, request = self._context.settings, self._context.clocks, Request(scope)
        address = partial(client_address, request, settings)
        network = None
        in_force = self._rules.in_force
        if in_force.settings.cookieless_unlocks_per_day:
            network = await network_of_caller(request, in_force, clocks)
        if b"cookie" not in headers and b"authorization" not in headers:
            device = self._devices.read(headers.get(_DEVICE, b"").decode("latin-1"))
            takes = said_in(headers.items(), settings)
            caller = Caller(device_id=device, takes_part=takes)
            return ReadRequest(article, caller, network, address=address)
        key = self._key_of(request)
        if key is None:
            caller = await article_reader(request, self._context)
            return ReadRequest(article, caller, network, address=address)

        async def again() -> ReadRequest:
            asking = self._fresh(request, key, article, network)
            fresh = await self._context.database.in_time(asking)
            return fresh._replace(address=address)

        known = self._readers.find(key)
        if known is None:
            return await again()
        cookie = read_cookie(request, "device", settings)
        by_cookie = self._devices.read(cookie)
        device = by_cookie or self._devices.read(request.headers.get(HEADER))
        caller, now_said = (
            known.caller,
            (device, by_cookie is not None, takes_part(request, settings)),
        )
        if (caller.device_id, caller.holds_cookie, caller.takes_part) != now_said:
            device_id, holds_cookie, takes = now_said
            caller = replace(
                caller, device_id=device_id, holds_cookie=holds_cookie, takes_part=takes
            )
        return ReadRequest(
            article, caller, network, known.held, again, address=address, former=known.former
        )

    def _key_of(self, request: Request) -> Hashable | None:
        """By what a signed-in reader is known; None: by nothing. Raises Problem `invalid-token`."""
        token = bearer_token(request)
        if token is not None:
            return self._tokens.verify(token, self._context.clocks.wall())
        return read_cookie(request, "session", self._context.settings) or None

    async def _fresh(
        self, request: Request, key: Hashable, article: StoredArticle, network: str | None
    ) -> ReadRequest:
        generation, now = self._readers.generation, self._context.clocks.wall()
        caller = await article_reader(request, self._context)
        if caller.reader_id is None:
            return ReadRequest(article, caller, network)
        async with self._context.database.reading() as session:
            business = self._context.clocks.business()
            held = await live_grants_of(session, caller.reader_id, business)
            former = await is_former(session, self._rules.in_force, caller, business)
        self._readers.put(key, KnownReader(caller, tuple(held), now, former), generation)
        return ReadRequest(article, caller, network, held, former=former)

    def _head(self, scope: Scope, answered: Answered, read: ReadRequest) -> Head:
        head = _described(sum(map(len, answered.parts)), answered.media_type)
        if read.caller.device_id is not None:
            return head
        cookie = Response()
        remember_device(Request(scope), cookie, read.caller, answered.device)
        return Head.of(
            [*head.named, *(pair for pair in cookie.raw_headers if pair[0] == b"set-cookie")]
        )

    def _rest(self, origin: bytes | None) -> Head:
        """What each answer to this origin, a listed one, carries."""
        if origin not in self._completed:
            headers = MutableHeaders()
            self._common.complete(headers, origin.decode("latin-1") if origin is not None else None)
            self._completed[origin] = Head.of(headers.raw)
        return self._completed[origin]


def named_by(request_id: str) -> Head:
    """The header that names the request."""
    value = request_id.encode()
    return Head(((REQUEST_ID, value),), b"x-request-id: " + value + b"\r\n")


@lru_cache(maxsize=1_000)
def _described(length: int, media_type: str) -> Head:
    """The headers of a body, the same for many."""
    return Head.of([(b"content-length", b"%d" % length), (b"content-type", media_type.encode())])


async def whole_body(receive: Receive) -> bytes | None:
    """The request's body; None: the caller has gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" else None


def _wanted(body: bytes) -> UnlockIn | None:
    """What the body asks for; None where the router has to say what is wrong with it."""
    try:
        return _read_body(body) if len(body) <= _REMEMBERED_BODY else _read_anew(body)
    except ValueError:
        return None


def _read_anew(body: bytes) -> UnlockIn:
    if len(body) > _REMEMBERED_BODY and fault_of(body) is not None:
        raise ValueError("the router says what is wrong with it")
    return UnlockIn.model_validate_json(body) if body else UnlockIn()


_read_body = lru_cache(maxsize=1_000)(_read_anew)


def _plainly(response: Response) -> _Sent:
    return response.status_code, (bytes(response.body),), Head.of(response.raw_headers)


def _what_was_sent(headers: Headers, body: bytes) -> Hashable | None:
    """All that an answer depends on but for the article and the time; None: too much, or a token."""
    if b"authorization" in headers:
        return None
    cookie, device = headers.get(b"cookie", b""), headers.get(_DEVICE, b"")
    referrer, consent = headers.get(b"referer", b""), headers.get(_CONSENT, b"")
    length = len(cookie) + len(device) + len(referrer) + len(consent) + len(body)
    return (cookie, device, referrer, consent, body) if length <= _LONGEST_SENT else None
