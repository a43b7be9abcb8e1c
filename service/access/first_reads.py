"""Reads of devices that have read nothing, as far as is known here: the same for all but for the device.

What decides, is recorded and is answered is worked out once for a copy of the article, by the functions that
do so for everybody. Left for each read is to name its device, to count it, and to end the answer with its token.
The batch that counts has the last word: whom it didn't count, because the device has a past, is decided anew.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from service.access import cookieless
from service.access.answers import JSON, UnlockAnswers
from service.access.case import consumes
from service.access.gifts import Gifts
from service.access.heads import AnswerHeads, Given, described, refused
from service.access.openings import Openings
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
from service.metering.ledger import Entry, row_of_device
from service.metering.meter import Metering
from service.metering.store import known_device_holder, named_meter
from service.metering.window import MeterState
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import Running

_MOST_KEPT = 3_000
"""One an article, body and referrer."""
_LONGEST_KEPT = 1_000
"""Bytes of body and referrer."""
_DAY = timedelta(days=1)
_NOBODY = Caller()


class _Device(NamedTuple):
    """Whose read it is. `by_cookie`: the answer needn't repeat its token; `is_new`: it was made for this read."""

    id: str
    by_cookie: bool
    is_new: bool


class _First(NamedTuple):
    """What all these reads have alike: the article's copy, the empty window, what led here, the ledger's row but for the
    device, and the answer's beginning by the articles used.
    """

    entry: CachedArticle
    empty: MeterState
    touch: Touch
    row: Entry
    wants_token: bool
    texts: dict[int, tuple[bytes, ...]]


class _Kept(NamedTuple):
    """What was worked out for a copy of an article, from its instant up to, but not at, `until`, in business time.
    `first` is None where such reads aren't counted, or aren't alike.
    """

    entry: CachedArticle
    since: datetime
    until: datetime
    first: _First | None


class FirstReads:
    """Of one application. `decide_anew` starts to decide a request as all others are."""

    def __init__(
        self, running: Running, heads: AnswerHeads, decide_anew: Callable[[SentUnlock], None]
    ) -> None:
        self._context = context_in(running)
        self._answers, self._unlocking = running.get(UnlockAnswers), running.get(Unlocking)
        self._metering = running.get(Metering)
        self._gifts, self._openings = running.get(Gifts), running.get(Openings)
        self._devices, self._rules = running.get(DeviceKey), running.get(RuleBook)
        self._heads, self._decide_anew = heads, decide_anew
        self._session = cookie_name("session", self._context.settings).encode()
        self._kept: dict[tuple[str, bytes, bytes | None], _Kept] = {}
        self._rules.when_changed(self._kept.clear)

    def begin(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> bool:
        """Count the read if it is such a one; it is answered with its batch. False: nothing has been done.

        `now` is business time. The request comes from no network that opens something.
        """
        first = self._first(sent, entry, now)
        if (
            first is None
            or not self._openings.are_certain()
            or self._gifts.opened(entry.article.id)
        ):
            return False
        device = self._device(sent)
        if device is None:
            return False
        name = pseudonym(device.id)
        holder, window = known_device_holder(name), first.empty.window
        meter = named_meter(holder, first.empty.meter)
        if not device.is_new and self._metering.remembers(meter, window):
            return False
        row = row_of_device(first.row, now, self._context.settings.zone, holder, name)
        told = partial(self._told, sent, first, device)
        network = self._admission(sent)
        try:
            self._metering.count_and_tell(
                meter, row, first.touch, window, first.empty.limit, network, (), told
            )
        except Problem as problem:
            told(problem)
        return True

    def _first(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> _First | None:
        key = entry.article.slug, sent.body, sent.headers.get(b"referer")
        kept = self._kept.get(key)
        if kept is None or kept.entry is not entry or not kept.since <= now < kept.until:
            if len(key[1]) + len(key[2] or b"") > _LONGEST_KEPT:
                return None
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[key] = self._worked_out(sent, entry, now)
        return kept.first

    def _worked_out(self, sent: SentUnlock, entry: CachedArticle, now: datetime) -> _Kept:
        wanted, in_force = sent.wanted, self._rules.in_force
        unlike = _Kept(entry, now, now + _DAY, None)
        # An experiment, or what is said beside the article, may differ from device to device.
        if in_force.experiment is not None or in_force.rules.speaks_beside:
            return unlike
        if wanted is None or wanted.gift is not None:
            return unlike
        touch = wanted.touch(sent.referrer, self._context.settings)
        try:
            asked, until = self._unlocking.of_nobody(entry.article, touch, in_force, now)
        except Problem:
            return unlike
        window = asked.case.window
        if window is None or window.window.rolls or not consumes(asked.case.outcome):
            return _Kept(entry, now, until, None)
        row = self._unlocking.row(asked)
        return _Kept(entry, now, until, _First(entry, window, touch, row, wanted.token, {}))

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

    def _told(
        self, sent: SentUnlock, first: _First, device: _Device, recorded: Recorded | Exception
    ) -> None:
        if isinstance(recorded, Exception):
            self._heads.give(sent, refused(sent, recorded))
        elif not recorded.counted:
            self._decide_anew(sent)
        else:
            count_answer("meter")
            self._heads.give(sent, self._opened(first, device, recorded.state))

    def _opened(self, first: _First, device: _Device, state: MeterState) -> Given:
        article = first.entry.article
        opened = Opened("meter", True, state, pseudonym(device.id), device.id)
        parts = first.texts.get(state.used)
        if parts is None:
            parts = first.texts[state.used] = self._answers.text(article, opened)
        if first.wants_token:
            token, _ = self._answers.token(article, opened, session_id=None)
            parts = *parts, token
        parts = *parts, self._answers.end(None if device.by_cookie else device.id)
        head = described(sum(map(len, parts)), JSON)
        if device.is_new:
            head = self._heads.new_device(head, self._devices.sign(device.id))
        return Given(200, head, parts)
