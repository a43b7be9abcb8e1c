"""Access, unlock and full text over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.access.notices import MOST_SEEN, DaysAgo, Key, NoticeShown
from service.access.reasons import Reason
from service.access.wall import WallShown
from service.bodies import Body
from service.content.teaser_schemas import Teaser
from service.grants.link_tokens import LONGEST
from service.identity.touches import LONGEST_REFERRER, Campaign, CampaignValue, Touch, touch_of
from service.metering.window import MeterState
from service.settings import Settings
from service.texts import storable


class MeterOut(BaseModel):
    """The reader's window: `used` distinct articles of `limit`; half-open up to `resets_at`."""

    limit: int
    used: int
    remaining: int
    window_start: AwareDatetime
    resets_at: AwareDatetime

    @classmethod
    def of(cls, state: MeterState | None) -> Self | None:
        if state is None:
            return None
        return cls(
            limit=state.limit,
            used=state.used,
            remaining=state.remaining,
            window_start=state.window.start,
            resets_at=state.window.end,
        )


class AccessQuery(Body):
    """Where the reader came from, as unlocking would be told it: the meter's limit may depend on it."""

    referrer: (
        Annotated[str, AfterValidator(storable), Field(max_length=LONGEST_REFERRER)] | None
    ) = None
    """`document.referrer`. Absent: the header."""
    utm_source: CampaignValue | None = None
    utm_medium: CampaignValue | None = None
    gift: Annotated[str, Field(max_length=LONGEST)] | None = None
    """What a gift link's address has."""

    def touch(self, header: str | None, settings: Settings) -> Touch:
        named = header if self.referrer is None else self.referrer
        campaign = Campaign(source=self.utm_source, medium=self.utm_medium)
        return touch_of(named, campaign, settings)


class AccessOut(BaseModel):
    """The decision, without any effect. `would_consume`: unlocking would use up a free article."""

    granted: bool
    reason: Reason
    reason_text: str
    """The reason in a sentence for the reader."""
    would_consume: bool
    meter: MeterOut | None
    wall: WallShown | None
    notices: Annotated[list[NoticeShown], Field(deprecated=True)]
    """Always empty: unlocking alone chooses what is said beside the article."""


class UnlockIn(Body):
    """What the caller wants with the article."""

    token: bool = True
    """False: no token is signed."""
    referrer: (
        Annotated[str, AfterValidator(storable), Field(max_length=LONGEST_REFERRER)] | None
    ) = None
    """Where the reader came from (`document.referrer`); only its host is kept. Absent: the header."""
    gift: Annotated[str, AfterValidator(storable), Field(max_length=LONGEST)] | None = None
    """The `gift` of the page's address: a gift link led here."""
    campaign: Campaign | None = None
    """The `utm_*` of the page's address, for reports of where readers come from."""
    seen: Annotated[dict[Key, DaysAgo], Field(max_length=MOST_SEEN)] = {}  # noqa: RUF012 frozen
    """Notices that rest on this device: by their `key`, how many days ago each was shown."""

    def touch(self, header: str | None, settings: Settings) -> Touch:
        """What led the caller here; `header` is the request's referrer."""
        named = header if self.referrer is None else self.referrer
        return touch_of(named, self.campaign, settings)


class FullArticle(Teaser):
    """The article with all of its text."""

    body_html: str


class UnlockOut(BaseModel):
    """The article is open. `reason` tells which rule opened it."""

    granted: Literal[True] = True
    reason: Reason
    reason_text: str
    consumed: bool
    """True: this call used up one of the free articles."""
    article: FullArticle
    meter: MeterOut | None
    notice: NoticeShown | None
    """What to say beside it. It is recorded as shown."""
    notices: Annotated[list[NoticeShown], Field(deprecated=True)]
    """The same as a list of one, or none: frontends that were written before `notice` read it."""
    token: str | None = None
    """A JWT for this article, unless it wasn't asked for."""
    token_expires_at: datetime | None = None
    device_token: str | None = None
    """For frontends without cookies: send it as `Paywall-Device` from now on."""


class FullOut(BaseModel):
    """The article for the holder of a token."""

    article: FullArticle


class WalledProblem(BaseModel):
    """402: nothing was counted. Show the wall."""

    type: str
    title: str
    status: int
    detail: str
    granted: Literal[False]
    reason: Reason
    reason_text: str
    wall: WallShown
    meter: MeterOut | None
    device_token: str | None = None
