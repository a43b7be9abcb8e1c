"""Reads of devices that have read nothing, as far as is known here: the same for all but for the device.

What decides, is recorded and is answered is worked out once for a copy of the article, by the functions that
do so for everybody. Left for each read is to name its device, to count or note it, and to end the answer with its
token.
The batch that counts has the last word: whom it didn't count, because the device has a past, is decided anew.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from service.access import cookieless
from service.access.answers import JSON, UnlockAnswers
from service.access.case import consumes
from service.access.decision import Wall
from service.access.gifts import Gifts
from service.access.heads import AnswerHeads, Given, described, refused
from service.access.read import Opened
from service.access.sent import DEVICE, SentUnlock
from service.access.unlock import Unlocking, count_answer
from service.content.cache import CachedArticle
from service.db.context import context_in
from service.identity.callers import Caller
from service.identity.cookies import cookie_name, read_cookie
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

_MOST_KEPT = 3_000
"""One an article, body and referrer."""
_LONGEST_KEPT = 1_000
"""Bytes of body and referrer."""
_DAY = timedelta(days=1)
_OPENED, _WALLED = 200, 402
_NOBODY = Caller()


class _Device(NamedTuple):
    """Whose read it is. `by_cookie`: the answer needn't repeat its token; `is_new`: it was made for this read."""

    id: str
    by_cookie: bool
    is_new: bool


class _Counted(NamedTuple):
    """What all reads have alike that are counted: the article's copy, the empty window, what led here, the ledger's row
    but for the device, and the answer's beginning by the articles used.
    """

    entry: CachedArticle
    empty: MeterState
    touch: Touch
    row: Entry
    wants_token: bool
    texts: dict[int, tuple[bytes, ...]]


class _Walled(NamedTuple):
    """What all have alike that meet a wall: the answer's beginning, what led here, and the row but for the device."""

    text: tuple[bytes, ...]
    touch: Touch
    row: Entry


class _Kept(NamedTuple):
    """What was worked out for a copy of an article, from its instant up to, but not at, `until`, in business time.

    `alike` is None where such reads differ. `sold` is what a wall shows.
    """

    entry: CachedArticle
    since: datetime
    until: datetime
    alike: _Counted | _Walled | None
    sold: Assortment | None = None


class FirstRead(NamedTuple):
    """One of them. `name` is the device's pseudonym."""

    sent: SentUnlock
    alike: _Counted | _Walled
    device: _Device
    name: str
    meter: str
    """Where it is counted; of a wall the holder."""


class FirstReads:
    """Of one application. `decide_anew` starts to decide a request as all others are."""

    def __init__(
        self, running: Running, heads: AnswerHeads, decide_anew: Callable[[SentUnlock], None]
    ) -> None:
        self._context = context_in(running)
        self._answers, self._unlocking = running.get(UnlockAnswers), running.get(Unlocking)
        self._metering = running.get(Metering)
        self._gifts, self._on_sale = running.get(Gifts), running.get(OnSale)
        self._devices, self._rules = running.get(DeviceKey), running.get(RuleBook)
        self._heads, self._decide_anew = heads, decide_anew
        self._session = cookie_name("session", self._context.settings).encode()
        self._kept: dict[tuple[str, bytes, bytes | None], _Kept] = {}
        self._rules.when_changed(self._kept.clear)

    def find(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> FirstRead | None:
        """The request as a first read, if it is one; nothing has been done yet. `now` is business time.

        It comes from no network that opens something.
        """
        alike = self._alike(sent, entry, now)
        if alike is None or self._gifts.opened(entry.article.id):
            return None
        device = self._device(sent)
        if device is None:
            return None
        name = pseudonym(device.id)
        holder = known_device_holder(name)
        if isinstance(alike, _Walled):
            return FirstRead(sent, alike, device, name, holder)
        meter = named_meter(holder, alike.empty.meter)
        if not device.is_new and self._metering.remembers(meter, alike.empty.window):
            return None
        return FirstRead(sent, alike, device, name, meter)

    def begin(self, read: FirstRead, now: datetime) -> None:
        """Answer it with a wall, or count it and answer with its batch. It is certain what links and networks open."""
        alike, name = read.alike, read.name
        zone, holder = self._context.settings.zone, known_device_holder(name)
        row = row_of_device(alike.row, now, zone, holder, name)
        if isinstance(alike, _Walled):
            self._metering.note(Noted(row, alike.touch))
            count_answer(row.reason)
            self._give(read, _WALLED, MEDIA_TYPE, alike.text)
            return
        told, empty = partial(self._told, read, alike), alike.empty
        try:
            self._metering.count_and_tell(
                read.meter, row, alike.touch, empty.window, empty.limit,
                self._admission(read.sent), (), told,
            )  # fmt: skip
        except Problem as problem:
            told(problem)

    def _alike(
        self, sent: SentUnlock, entry: CachedArticle, now: datetime
    ) -> _Counted | _Walled | None:
        key = entry.article.slug, sent.body, sent.headers.get(b"referer")
        kept = self._kept.get(key)
        if (
            kept is None
            or kept.entry is not entry
            or not kept.since <= now < kept.until
            or (kept.sold is not None and kept.sold is not self._on_sale.fresh())
        ):
            if len(key[1]) + len(key[2] or b"") > _LONGEST_KEPT:
                return None
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = self._worked_out(sent, entry, now)
        return kept.alike

    def _worked_out(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> _Kept:
        wanted, in_force = sent.wanted, self._rules.in_force
        unlike, rules = _Kept(entry, now, now + _DAY, None), in_force.rules
        # An experiment, what is said beside the article, or a gift may differ from device to device.
        if in_force.experiment is not None or rules.speaks_beside or in_force.know_gifts:
            return unlike
        if wanted is None or wanted.gift is not None:
            return unlike
        touch = wanted.touch(sent.referrer, self._context.settings)
        try:
            asked, until = self._unlocking.of_nobody(entry.article, touch, in_force, now)
        except Problem:
            return unlike
        edges = (edge for each in rules.prompts for edge in (each.starts_at, each.ends_at))
        until = min([until, *(edge for edge in edges if edge is not None and edge > now)])
        case, empty, sold = asked.case, asked.case.window, self._on_sale.fresh()
        if isinstance(case.outcome, Wall) and empty is None:
            if sold is None:
                return unlike._replace(until=now)  # it isn't known at the moment
            wall = self._unlocking.wall_of_nobody(asked, sold)
            row, text = self._unlocking.row(asked, wall), self._answers.walled(wall, None)
            return _Kept(entry, now, until, _Walled(text, touch, row), sold)
        if empty is None or empty.window.rolls or not consumes(case.outcome):
            return unlike._replace(until=until)
        row = self._unlocking.row(asked)
        return _Kept(entry, now, until, _Counted(entry, empty, touch, row, wanted.token, {}))

    def _device(self, sent: SentUnlock) -> _Device | None:
        """Whose read it is; None: perhaps a reader's who is signed in."""
        headers, line = sent.headers, sent.headers.get(b"cookie")
        if b"authorization" in headers or (line is not None and self._session in line):
            return None
        if line is not None:
            cookie = read_cookie(sent.request, "device", self._context.settings)
            found = self._devices.read(cookie)
            if found is not None:
                return _Device(found, by_cookie=True, is_new=False)
        found = self._devices.read(headers.get(DEVICE, b"").decode("latin-1"))
        if found is not None:
            return _Device(found, by_cookie=False, is_new=False)
        return _Device(new_device_id(self._context.clocks.wall()), by_cookie=False, is_new=True)

    def _admission(self, sent: SentUnlock) -> cookieless.Admission:
        in_force = self._rules.in_force
        if not in_force.settings.cookieless_unlocks_per_day:
            return None
        network = cookieless.network_of(sent.request, in_force.settings, self._context.clocks)
        return cookieless.admission(in_force.settings, _NOBODY, network)

    def _told(self, read: FirstRead, alike: _Counted, recorded: Recorded | Exception) -> None:
        if isinstance(recorded, Exception):
            self._heads.give(read.sent, refused(read.sent, recorded))
        elif not recorded.counted:
            self._decide_anew(read.sent)
        else:
            count_answer("meter")
            self._give(read, _OPENED, JSON, self._text(read, alike, recorded.state))

    def _text(self, read: FirstRead, alike: _Counted, state: MeterState) -> tuple[bytes, ...]:
        article, text = alike.entry.article, alike.texts.get(state.used)
        if text is not None and not alike.wants_token:
            return text
        opened = Opened("meter", True, state, read.name, read.device.id)
        if text is None:
            text = alike.texts[state.used] = self._answers.text(article, opened)
        if not alike.wants_token:
            return text
        token, _ = self._answers.token(article, opened, session_id=None)
        return *text, token

    def _give(self, read: FirstRead, status: int, media_type: str, text: tuple[bytes, ...]) -> None:
        device = read.device
        parts = *text, self._answers.end(None if device.by_cookie else device.id)
        head = described(sum(map(len, parts)), media_type)
        if device.is_new:
            head = self._heads.new_device(head, self._devices.sign(device.id))
        self._heads.give(read.sent, Given(status, head, parts))
