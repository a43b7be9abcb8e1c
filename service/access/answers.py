"""What a decision looks like on the wire, and the cookie that goes with it."""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from service.access.decision import Meter
from service.access.notices import NoticeShown
from service.access.read import Look, Opened, ReadRequest, Walled
from service.access.reasons import REASONS, Reason
from service.access.schemas import AccessOut, MeterOut, UnlockIn
from service.access.unlock import Unlocking
from service.access.unlock_tokens import UnlockTokens
from service.content.cache import ArticleCache
from service.content.teaser import instant_text
from service.db.context import Context
from service.html.public_answer import json_bytes
from service.identity.devices import DeviceKey
from service.identity.touches import touch_of
from service.metering.ledger import Noted
from service.metering.window import MeterState, Window
from service.problems import MEDIA_TYPE


def access_answer(seen: Look) -> AccessOut:
    outcome = seen.outcome
    return AccessOut(
        granted=seen.wall is None,
        reason=outcome.reason,
        reason_text=seen.wall.note if seen.wall is not None else REASONS[outcome.reason].readers,
        would_consume=isinstance(outcome, Meter) and outcome.consumes,
        meter=MeterOut.of(seen.meter),
        wall=seen.wall,
        notices=[],
    )


class Answered(NamedTuple):
    """An answer to unlock. `device`: the id of the device that it was given to.

    `noted` is what is recorded of it in the background, None where it was counted; `meter` is the
    window that was decided in. `until` is when half of its token's life is over, or its gift link ends, by wall
    time; None: it has neither.
    """

    status: int
    media_type: str
    parts: tuple[bytes, ...]
    """The body, in pieces that are joined where it is sent."""
    device: str
    noted: Noted | None
    meter: MeterState | None
    until: datetime | None

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


class UnlockAnswers:
    """Unlocks, and says what came of it: the members of schemas.UnlockOut, or of WalledProblem.

    They are spliced together, since most of them are the same for many readers: the text, by far the
    longest, the wall, and what the meter says.
    """

    def __init__(
        self,
        context: Context,
        unlocking: Unlocking,
        articles: ArticleCache,
        tokens: UnlockTokens,
        devices: DeviceKey,
    ) -> None:
        self._context = context
        self._unlocking = unlocking
        self._articles = articles
        self._tokens = tokens
        self._devices = devices

    async def answer(self, read: ReadRequest, wanted: UnlockIn, referrer: str | None) -> Answered:
        """Unlock the article. `referrer` is the request's header. Raises like `unlock`."""
        named = referrer if wanted.referrer is None else wanted.referrer
        touch = touch_of(named, wanted.campaign, self._context.settings)
        read = read._replace(gift=wanted.gift, seen=wanted.seen)
        outcome = await self._unlocking.unlock(read, touch)
        if isinstance(outcome, Walled):
            # Returned, not raised, so that its row in the ledger stays.
            status, media_type = 402, MEDIA_TYPE
            parts = [outcome.wall.problem[:-1], b",", _meter(outcome.meter)]
            until = None
        else:
            status, media_type = 200, "application/json"
            parts, until = self._opened(read, outcome, wants_token=wanted.token)
            if outcome.until is not None:
                ends_at = outcome.until - self._context.clocks.offset
                until = min(until, ends_at) if until is not None else ends_at
        if not read.caller.holds_cookie:
            signed = self._devices.sign(outcome.device_id)
            parts.append(f',"device_token":"{signed}"'.encode())
        parts.append(b"}")
        return Answered(
            status, media_type, tuple(parts), outcome.device_id, outcome.noted, outcome.meter, until
        )

    def _opened(
        self, read: ReadRequest, opened: Opened, *, wants_token: bool
    ) -> tuple[list[bytes], datetime | None]:
        clocks = self._context.clocks
        whole = self._articles.whole(read.article, clocks.business())
        head = _head(opened.reason, opened.consumed)
        parts = [head, b',"article":', whole, b",", _meter(opened.meter), _notice(opened.notice)]
        if not wants_token or not REASONS[opened.reason].by_reader:
            return parts, None
        token, expires_at = self._tokens.token(
            holder_id=opened.holder_id,
            article=read.article.slug,
            reason=opened.reason,
            # Of what is the device's no session speaks.
            session_id=read.caller.session_id
            if opened.holder_id == read.caller.reader_id
            else None,
            now=clocks.wall(),
        )
        said = f',"token":"{token}","token_expires_at":"{instant_text(expires_at)}"'
        return [*parts, said.encode()], expires_at - self._tokens.life / 2


@lru_cache(maxsize=64)
def _head(reason: Reason, consumed: bool) -> bytes:
    text = REASONS[reason].readers
    shown = {"granted": True, "reason": reason, "reason_text": text, "consumed": consumed}
    return json_bytes(shown)[:-1]


def _notice(notice: NoticeShown | None) -> bytes:
    if notice is None:
        return b',"notice":null,"notices":[]'
    said = notice.model_dump_json().encode()
    return b',"notice":' + said + b',"notices":[' + said + b"]"


def _meter(state: MeterState | None) -> bytes:
    if state is None:
        return b'"meter":null'
    return _meter_member(state.window, state.limit, state.used)


@lru_cache(maxsize=1_000)
def _meter_member(window: Window, limit: int, used: int) -> bytes:
    shown = MeterOut.of(MeterState(window, limit, frozenset(map(str, range(used)))))
    return b'"meter":' + (shown.model_dump_json().encode() if shown is not None else b"null")
