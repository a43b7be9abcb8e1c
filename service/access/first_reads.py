"""Reads of devices that have read nothing, as far as is known here: the same for all but for the device.

The decision, the ledger's row and the answer's text are worked out once for a copy of an article, by the functions
that do so for everybody. Each read then names its device, is counted or noted, and ends the answer with its token.
The batch that counts has the last word: a read that it didn't count, since the device has a past, is decided anew.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple

from service.access import cookieless
from service.access.answers import JSON, UnlockAnswers
from service.access.case import consumes
from service.access.decision import Wall
from service.access.gifts import Gifts
from service.access.heads import AnswerHeads, Given, described
from service.access.read import ClosedOut, Opened
from service.access.sent import SentUnlock, referrer_of, wanted_of
from service.access.unlock import Unlocking, count_answer
from service.content.cache import CachedArticle
from service.db.context import context_in
from service.identity.callers import Caller
from service.identity.cookies import cookie_name
from service.identity.devices import DeviceKey, new_device_id, pseudonym
from service.identity.touches import Touch
from service.metering.attempt import Recorded
from service.metering.ledger import Entry, Noted, row_of_device
from service.metering.meter import Metering
from service.metering.store import known_device_holder, named_meter
from service.metering.window import MeterState
from service.offers.on_sale import Assortment, OnSale
from service.problems import MEDIA_TYPE, Problem
from service.rules.in_force import RuleBook
from service.running import Running

_MOST_OF_A_COPY = 50
"""Shared reads kept with one copy of an article, one a touch and wish for a token."""
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 1_000, 1_000
"""Bodies and referrers of which a process remembers what they say, and how long they are together, in bytes."""
_DAY = timedelta(days=1)
_OPENED, _WALLED = 200, 402
_NOBODY = Caller()


class _Device(NamedTuple):
    """Whose read it is. `by_cookie`: the answer needn't repeat its token; `is_new`: it was made for this read."""

    id: str
    by_cookie: bool
    is_new: bool


class _Wish(NamedTuple):
    """What led here, and whether a token is wanted: all that such requests for an article differ in."""

    touch: Touch
    token: bool


class _Counted(NamedTuple):
    """What counted reads share: the empty window, the ledger's row but for the device, and the answer's beginning by
    the articles used.
    """

    empty: MeterState
    row: Entry
    texts: dict[int, tuple[bytes, ...]]


class _Walled(NamedTuple):
    """What reads that meet a wall share: the answer's beginning, and the ledger's row but for the device."""

    text: tuple[bytes, ...]
    row: Entry


class SharedRead(NamedTuple):
    """What was worked out for a copy of an article, from its instant up to, but not at, `until`, in business time.

    `alike` is None where such reads differ. `sold` is what a wall shows.
    """

    since: datetime
    until: datetime
    alike: _Counted | _Walled | None
    sold: Assortment | None = None


class FirstRead(NamedTuple):
    """One of them. `name` is the device's pseudonym."""

    sent: SentUnlock
    entry: CachedArticle
    wish: _Wish
    alike: _Counted | _Walled
    device: _Device
    name: str
    meter: str
    """Where it is counted; of a wall the holder."""


class FirstReads:
    """Of one application. `decide_anew` starts to decide a request as all others are; with what was tried, if a full
    network closed the device out.
    """

    def __init__(
        self,
        running: Running,
        heads: AnswerHeads,
        decide_anew: Callable[[SentUnlock, ClosedOut | None], None],
    ) -> None:
        self._context = context_in(running)
        self._answers, self._unlocking = running.get(UnlockAnswers), running.get(Unlocking)
        self._metering = running.get(Metering)
        self._gifts, self._on_sale = running.get(Gifts), running.get(OnSale)
        self._devices, self._rules = running.get(DeviceKey), running.get(RuleBook)
        self._heads, self._decide_anew = heads, decide_anew
        self._session = cookie_name("session", self._context.settings).encode()
        self._wish = lru_cache(maxsize=_MOST_REMEMBERED)(self._read_wish)

    def find(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> FirstRead | None:
        """The request as a first read, if it is one; nothing has been done yet. `now` is business time.

        It comes from no network that opens something.
        """
        body, referrer = sent.body, sent.headers.get(b"referer")
        if len(body) + len(referrer or b"") > _LONGEST_REMEMBERED:
            return None
        wish = self._wish(body, referrer)
        if wish is None or self._gifts.opened(entry.article.id):
            return None
        alike = self._alike(entry, wish, now)
        device = self._device(sent) if alike is not None else None
        if alike is None or device is None:
            return None
        name = pseudonym(device.id)
        holder = known_device_holder(name)
        if isinstance(alike, _Walled):
            return FirstRead(sent, entry, wish, alike, device, name, holder)
        meter = named_meter(holder, alike.empty.meter)
        if not device.is_new and self._metering.remembers(meter, alike.empty.window):
            return None
        return FirstRead(sent, entry, wish, alike, device, name, meter)

    def begin(self, read: FirstRead, now: datetime) -> None:
        """Answer it with a wall, or count it and answer with its batch. It is certain what links and networks open.

        Raises Problem where too many wait to be counted.
        """
        alike, name, touch = read.alike, read.name, read.wish.touch
        zone, holder = self._context.settings.zone, known_device_holder(name)
        row = row_of_device(alike.row, now, zone, holder, name)
        if isinstance(alike, _Walled):
            self._metering.note(Noted(row, touch))
            count_answer(row.reason)
            self._give(read, _WALLED, MEDIA_TYPE, alike.text)
            return
        empty = alike.empty
        self._metering.count_soon(
            read.meter, row, touch, empty.window, empty.limit,
            self._admission(read.sent), (), partial(self._answer, read, alike),
        )  # fmt: skip

    def _read_wish(self, body: bytes, referrer: bytes | None) -> _Wish | None:
        wanted = wanted_of(body)
        if wanted is None or wanted.gift is not None:
            return None
        return _Wish(wanted.touch(referrer_of(referrer), self._context.settings), wanted.token)

    def _alike(self, entry: CachedArticle, wish: _Wish, now: datetime) -> _Counted | _Walled | None:
        kept = entry.first_reads.get(wish)
        if (
            isinstance(kept, SharedRead)
            and kept.since <= now < kept.until
            and (kept.sold is None or kept.sold is self._on_sale.fresh())
        ):
            return kept.alike
        found = self._worked_out(entry, wish.touch, now)
        if found is None:
            return None
        if len(entry.first_reads) >= _MOST_OF_A_COPY:
            entry.first_reads.clear()
        entry.first_reads[wish] = found
        return found.alike

    def _worked_out(self, entry: CachedArticle, touch: Touch, now: datetime) -> SharedRead | None:
        """None: it can't be said at the moment."""
        unlike, in_force = SharedRead(now, now + _DAY, None), self._rules.in_force
        # An experiment, what is said beside the article, or a gift may differ from device to device.
        rules = in_force.rules
        if in_force.experiment is not None or rules.speaks_beside or in_force.know_gifts:
            return unlike
        try:
            asked, until = self._unlocking.of_nobody(entry.article, touch, in_force, now)
        except Problem:
            return None  # it isn't published yet
        edges = (edge for each in rules.prompts for edge in (each.starts_at, each.ends_at))
        until = min([until, *(edge for edge in edges if edge is not None and edge > now)])
        case, empty, sold = asked.case, asked.case.window, self._on_sale.fresh()
        if isinstance(case.outcome, Wall) and empty is None:
            if sold is None:
                return None
            wall = self._unlocking.wall_of_nobody(asked, sold)
            row, text = self._unlocking.row(asked, wall), self._answers.walled(wall, None)
            return SharedRead(now, until, _Walled(text, row), sold)
        if empty is None or empty.window.rolls or not consumes(case.outcome):
            return unlike._replace(until=until)
        return SharedRead(now, until, _Counted(empty, self._unlocking.row(asked), {}))

    def _device(self, sent: SentUnlock) -> _Device | None:
        """Whose read it is; None: perhaps a reader's who is signed in."""
        headers, line = sent.headers, sent.headers.get(b"cookie")
        if b"authorization" in headers or (line is not None and self._session in line):
            return None
        found = sent.device(self._devices, self._context.settings)
        if found.id is not None:
            return _Device(found.id, found.by_cookie, is_new=False)
        return _Device(new_device_id(self._context.clocks.wall()), by_cookie=False, is_new=True)

    def _admission(self, sent: SentUnlock) -> cookieless.Admission:
        in_force = self._rules.in_force
        if not in_force.settings.cookieless_unlocks_per_day:
            return None
        network = cookieless.network_of(sent.request, in_force.settings, self._context.clocks)
        return cookieless.admission(in_force.settings, _NOBODY, network)

    def _answer(self, read: FirstRead, alike: _Counted, recorded: Recorded | Exception) -> None:
        try:
            if isinstance(recorded, Exception):
                self._heads.refuse(read.sent, recorded)
            elif not recorded.counted:
                closed_out = ClosedOut(read.device.id, recorded) if recorded.closed else None
                self._decide_anew(read.sent, closed_out)
            else:
                text, token = self._opened(read, alike, recorded.state)
                self._give(read, _OPENED, JSON, text, token)
                count_answer("meter")
        except Exception as error:  # noqa: BLE001 it is answered, and logged
            self._heads.refuse(read.sent, error)

    def _opened(
        self, read: FirstRead, alike: _Counted, state: MeterState
    ) -> tuple[tuple[bytes, ...], bytes]:
        """The answer's beginning, and its token."""
        article, text = read.entry.article, alike.texts.get(state.used)
        if text is not None and not read.wish.token:
            return text, b""
        opened = Opened.counted(state, read.name, read.device.id)
        if text is None:
            text = alike.texts[state.used] = self._answers.text(article, opened)
        if not read.wish.token:
            return text, b""
        token, _ = self._answers.token(article, opened, session_id=None)
        return text, token

    def _give(
        self,
        read: FirstRead,
        status: int,
        media_type: str,
        text: tuple[bytes, ...],
        token: bytes = b"",
    ) -> None:
        device = read.device
        parts = self._answers.in_order(text, token, None if device.by_cookie else device.id)
        head = described(sum(map(len, parts)), media_type)
        if device.is_new:
            head = self._heads.new_device(head, self._devices.sign(device.id))
        self._heads.give(read.sent, Given(status, head, parts))
