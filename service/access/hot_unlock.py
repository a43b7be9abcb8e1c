"""Unlocking an article in memory without the router, by what the router would call.

What a frontend sends for each reader is read here in one look; whatever else is in a request goes to the
router. Its answers and refusals have the same status, headers and members.
"""

import asyncio
import time
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.types import Scope

from service.access.answers import Answered, UnlockAnswers
from service.access.cookieless import network_of
from service.access.first_reads import FirstReads
from service.access.heads import AnswerHeads, Given, described
from service.access.metered import is_former
from service.access.openings import Openings
from service.access.read import ClosedOut, ReadRequest
from service.access.reader_memory import KnownReader, ReaderMemory
from service.access.repeats import Repeat, Repeats
from service.access.sent import Headers, SentUnlock
from service.access.unlock import count_answer
from service.access.visits import visit_of
from service.content.article import StoredArticle
from service.content.cache import ArticleCache, CachedArticle
from service.crawlers.verifiers import KnownCrawlers
from service.db.context import context_in
from service.encoded import Head, Reply, Whole, Work
from service.grants.places import InstitutionNetworks
from service.grants.store import live_grants_of
from service.identity.callers import Caller, article_reader
from service.identity.cookies import cookie_name, read_cookie
from service.identity.devices import DeviceKey
from service.identity.experiment_consent import said_in, takes_part
from service.limits.addresses import client_address
from service.metering.meter import Metering
from service.offers.on_sale import OnSale
from service.rules.in_force import RuleBook
from service.running import Running
from service.tokens.signing import bearer_token
from service.tokens.verifier import TokenVerifier


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
        self._on_sale, self._openings = running.get(OnSale), running.get(Openings)
        self._rules = running.get(RuleBook)
        self._networks = running.get(InstitutionNetworks)
        self._crawlers = running.get(KnownCrawlers)
        self._heads = AnswerHeads(self._context.settings)
        self._firsts = FirstReads(running, self._heads, self._decide_anew)
        self._repeats = Repeats(running)
        self._operator = cookie_name("operator", self._context.settings).encode()
        self._deciding: set[asyncio.Task[None]] = set()

    def answer(self, scope: Scope, headers: Headers, body: bytes, reply: Reply) -> Work | None:
        """Reply to a request that `is_plain`. With None: it is the router's, and nothing has been done."""
        sent = SentUnlock(scope, headers, body, time.perf_counter(), reply)
        try:
            return self._begin(sent)
        except Exception as error:  # noqa: BLE001 it is answered, and logged
            self._heads.refuse(sent, error)
            return None

    def _begin(self, sent: SentUnlock) -> Work | None:
        if self._may_be_crawler(sent) or self._operator in sent.headers.get(b"cookie", b""):
            sent.reply(None)
            return None
        slug, now = sent.slug, self._context.clocks.business()
        entry, in_network = self._articles.peek(slug, now), self._is_in_network(sent)
        # What a network opens depends on more than what was sent.
        key = sent.key if not in_network else None
        repeat = self._repeats.find((slug, key)) if key is not None else None
        if key is not None and repeat is not None:
            return self._answered(sent, self._repeated(sent, key, repeat))
        first = self._firsts.find(sent, entry, now) if entry and not in_network else None
        if first is None:
            return self._answered(sent, self._decided(sent, entry, key))
        if not self._openings.are_certain():
            return self._answered(sent, self._once_certain(sent))
        self._firsts.begin(first, now)
        return None

    async def _answered(self, sent: SentUnlock, work: Work) -> None:
        """Do the work, which answers; where it fails, answer so."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 it is answered, and logged
            self._heads.refuse(sent, error)

    async def _once_certain(self, sent: SentUnlock) -> None:
        """Answer a first read, unless it is none by what was opened elsewhere."""
        is_certain, now = await self._openings.make_certain(), self._context.clocks.business()
        entry, in_network = self._articles.peek(sent.slug, now), self._is_in_network(sent)
        first = self._firsts.find(sent, entry, now) if entry and not in_network else None
        if first is not None and is_certain:
            self._firsts.begin(first, now)
        else:
            await self._decided(sent, entry, sent.key if not in_network else None)

    async def _repeated(self, sent: SentUnlock, key: Hashable, repeat: Repeat) -> None:
        """Give the kept answer again, or decide where it doesn't hold any more."""
        # To wait until it is certain is quicker than to decide anew, which would wait, too.
        is_certain = await self._repeats.is_certain(repeat)
        now = self._context.clocks.business()
        entry = self._articles.peek(sent.slug, now)
        if self._is_in_network(sent):  # it is known by now what networks open
            await self._decided(sent, entry, None)
        elif is_certain and repeat.entry is entry and self._repeats.holds(repeat, now):
            again = partial(self._at_once, sent.slug, sent.scope, sent.headers, repeat)
            answer = self._once_more(sent.scope, sent.headers, sent.started, repeat, now)
            sent.reply(answer._replace(again=again))
        else:
            await self._decided(sent, entry, key)

    def _at_once(self, slug: str, scope: Scope, headers: Headers, repeat: Repeat) -> Whole | None:
        """The kept answer to the same request once more, if that needs no look at anything but what is in memory.

        Where it matters who sends it, it has to be read: equal bytes may come from elsewhere.
        """
        started, now = time.perf_counter(), self._context.clocks.business()
        if (
            self._networks
            or not self._rules.in_force.rules.crawlers.treat_all_alike
            or (repeat.sold is not None and not self._openings.are_certain())
            or self._articles.peek(slug, now) is not repeat.entry
            or not self._repeats.holds(repeat, now)
        ):
            return None
        return self._once_more(scope, headers, started, repeat, now)

    def _once_more(
        self, scope: Scope, headers: Headers, started: float, repeat: Repeat, now: datetime
    ) -> Whole:
        """The kept answer, which holds; it is recorded."""
        self._metering.note(repeat.noted.again(now, self._context.settings.zone))
        count_answer(repeat.noted.entry.reason)
        given = Given(repeat.status, repeat.head, repeat.parts)
        return self._heads.whole(scope, headers, started, given)

    def _decide_anew(self, sent: SentUnlock, closed_out: ClosedOut | None) -> None:
        """Decide what the batch of a first read didn't count, by what is known of the device now."""
        entry = self._articles.peek(sent.slug, self._context.clocks.business())
        work = self._answered(sent, self._decided(sent, entry, sent.key, closed_out))
        task = asyncio.create_task(work)
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decided(
        self,
        sent: SentUnlock,
        entry: CachedArticle | None,
        key: Hashable | None,
        closed_out: ClosedOut | None = None,
    ) -> None:
        """Decide and answer; the answer is kept by `key`, unless that is None."""
        wanted = sent.wanted
        # A gift link is rare, and may change what this process remembers.
        if wanted is None or entry is None or wanted.gift is not None:
            sent.reply(None)
            return
        sold = self._on_sale.fresh()
        read = await self._read(sent, entry.article)
        if closed_out is not None:
            read = read._replace(closed_out=closed_out)
        answered = await self._answers.answer(read, wanted, sent.referrer)
        head = self._head(answered, read)
        if key is not None and answered.noted is not None:
            is_reader = read.caller.reader_id is not None
            by = self._key_of(sent.request) if is_reader else None
            self._repeats.keep((sent.slug, key), entry, read, by, answered, head, sold)
        self._heads.give(sent, Given(answered.status, head, answered.parts))

    def _may_be_crawler(self, sent: SentUnlock) -> bool:
        """Whether the router has to find out, since it makes a difference."""
        if self._rules.in_force.rules.crawlers.treat_all_alike:
            return False
        return self._crawlers.may_be_one(visit_of(sent.request, self._context.settings))

    def _is_in_network(self, sent: SentUnlock) -> bool:
        """Whether it comes from a network that opens something to everybody in it."""
        if not self._networks:
            return False
        return bool(self._networks.at(client_address(sent.request, self._context.settings)))

    async def _read(self, sent: SentUnlock, article: StoredArticle) -> ReadRequest:
        settings, clocks = self._context.settings, self._context.clocks
        headers, request = sent.headers, sent.request
        address = partial(client_address, request, settings)
        network = None
        in_force = self._rules.in_force
        if in_force.settings.cookieless_unlocks_per_day:
            network = network_of(request, in_force.settings, clocks)
        if b"cookie" not in headers and b"authorization" not in headers:
            device = sent.device(self._devices, settings)
            takes = said_in(headers.items(), settings)
            caller = Caller(device_id=device.id, takes_part=takes)
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
        device, takes = sent.device(self._devices, settings), takes_part(request, settings)
        caller = known.caller
        if (caller.device_id, caller.holds_cookie, caller.takes_part) != (*device, takes):
            caller = replace(
                caller, device_id=device.id, holds_cookie=device.by_cookie, takes_part=takes
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

    def _head(self, answered: Answered, read: ReadRequest) -> Head:
        head = described(sum(map(len, answered.parts)), answered.media_type)
        if read.caller.device_id is not None:
            return head
        return self._heads.new_device(head, self._devices.sign(answered.device))
