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
from service.access.wall import WallShown
from service.content.cache import ArticleCache, StoredArticle
from service.content.teaser import instant_text
from service.db.context import Context
from service.html.public_answer import json_bytes
from service.identity.devices import DeviceKey
from service.metering.ledger import Noted
from service.metering.window import MeterState, Window
from service.problems import MEDIA_TYPE

JSON = "application/json"


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
        touch = wanted.touch(referrer, self._context.settings)
        read = read._replace(gift=wanted.gift, seen=wanted.seen)
        outcome = await self._unlocking.unlock(read, touch)
        if isinstance(outcome, Walled):
            # Returned, not raised, so that its row in the ledger stays.
            status, media_type = 402, MEDIA_TYPE
            text, token, until = self.walled(outcome.wall, outcome.meter), b"", None
        else:
            status, media_type = 200, JSON
            text = self.text(read.article, outcome)
            token, until = self._token_of(read, outcome, wants_token=wanted.token)
            if outcome.until is not None:
                ends_at = outcome.until - self._context.clocks.offset
                until = min(until, ends_at) if until is not None else ends_at
        named = None if read.caller.holds_cookie else outcome.device_id
        return Answered(
            status,
            media_type,
            self.in_order(text, token, named),
            outcome.device_id,
            outcome.noted,
            outcome.meter,
            until,
        )

    def walled(self, wall: WallShown, meter: MeterState | None) -> tuple[bytes, ...]:
        """The beginning of the answer with this wall."""
        return wall.problem[:-1], b",", _meter(meter)

    def text(self, article: StoredArticle, opened: Opened) -> tuple[bytes, ...]:
        """The beginning of the answer to who may read, the same for all who have read as much."""
        whole = self._articles.whole(article, self._context.clocks.business())
        head, meter = _head(opened.reason, opened.consumed), _meter(opened.meter)
        return head, b',"article":', whole, b",", meter, _notice(opened.notice)

    def token(
        self, article: StoredArticle, opened: Opened, session_id: str | None
    ) -> tuple[bytes, datetime]:
        """The members with the token and its end, and when half of its life is over."""
        token, expires_at = self._tokens.token(
            holder_id=opened.holder_id,
            article=article.slug,
            reason=opened.reason,
            session_id=session_id,
            now=self._context.clocks.wall(),
        )
        said = f',"token":"{token}","token_expires_at":"{instant_text(expires_at)}"'
        return said.encode(), expires_at - self._tokens.life / 2

    def in_order(
        self, text: tuple[bytes, ...], token: bytes, device_id: str | None
    ) -> tuple[bytes, ...]:
        """The whole answer: its beginning, the token's members, and the end with the token of this device (None:
        the caller holds its cookie).
        """
        if device_id is None:
            return *text, token, b"}"
        return *text, token, f',"device_token":"{self._devices.sign(device_id)}"}}'.encode()

    def _token_of(
        self, read: ReadRequest, opened: Opened, *, wants_token: bool
    ) -> tuple[bytes, datetime | None]:
        """As `token`; nothing, and None, where there is none."""
        if not wants_token or not REASONS[opened.reason].by_reader:
            return b"", None
        # Of what is the device's no session speaks.
        is_readers = opened.holder_id == read.caller.reader_id
        session_id = read.caller.session_id if is_readers else None
        return self.token(read.article, opened, session_id)


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
