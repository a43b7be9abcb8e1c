"""May this reader read this article now? Plain values in, one of four outcomes out, with its trail.

The order is that of the product's access rules: the first that matches decides, and only a metered
article that the meter itself opens consumes. Everything that opens or closes an article asks here:
unlock, the decision without effect, the pages, and reads by token. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from service.access.reasons import PRECEDENCE, AllowReason, MeterReason, WallReason
from service.grants.grants import GrantableArticle, Source, article_scope, covers
from service.levels import Level
from service.metering.window import MeterState

WallKind = Literal["register", "subscribe"]
RuleName = Literal[
    "visible", "free", "staff", "experiment", "grant", "registered", "meter", "network", "level"
]


@dataclass(frozen=True)
class ArticleFacts(GrantableArticle):
    """What the decision needs to know of an article, at the instant it is made for."""

    visible: bool


class HeldGrant(NamedTuple):
    """A grant that speaks for the reader. Open from `starts_at` up to, but not at, `ends_at`; None
    is no bound on that side. `grace`: its payment is overdue.

    A tuple: each unlock makes one of every grant, and a frozen dataclass takes five times as long.
    """

    source: Source
    scope: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    grace: bool = False
    reference: str = ""
    """Of an institution's: which contract it is, and how the reader came by it."""

    def is_live(self, at: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= at) and (
            self.ends_at is None or at < self.ends_at
        )

    def __str__(self) -> str:
        end = f" until {self.ends_at.isoformat()}" if self.ends_at is not None else ""
        return f"{self.source} {self.scope}{end}{', in grace' if self.grace else ''}"


@dataclass(frozen=True)
class Evidence:
    """What speaks for the reader, whatever it was read from (evidence.py)."""

    grants: tuple[HeldGrant, ...] = ()
    verified: bool = False
    """Signed in with a verified address."""
    can_register: bool = False
    """Not verified yet, where sign-in is configured."""
    room_after_registering: int = 0
    """Articles that the registered reader's meter would then still open in this window."""
    counted: bool = False
    """The meter has opened this article to the holder: an unlock token says so."""
    variant: str = ""
    """What an experiment gives the reader, as `experiment/variant`: it has changed the meter's limit, or changes a
    wall's words.
    """
    staff: bool = False
    """An operator who may read articles is signed in in this browser."""
    network_closed: bool = False
    """The network has no room for another reader without cookies."""

    def grants_for(self, article_id: str) -> Sequence[HeldGrant]:
        """The grants of this article alone, and those that may cover any: most of one who has many are of others."""
        wide, of_articles = self._by_scope
        own = of_articles.get(article_scope(article_id))
        return wide if own is None else (*wide, *own)

    @cached_property
    def _by_scope(self) -> tuple[tuple[HeldGrant, ...], Mapping[str, list[HeldGrant]]]:
        of_one = article_scope("")
        wide: list[HeldGrant] = []
        of_articles: dict[str, list[HeldGrant]] = {}
        for each in self.grants:
            if each.scope.startswith(of_one):
                of_articles.setdefault(each.scope, []).append(each)
            else:
                wide.append(each)
        return tuple(wide), of_articles


class NoMeter(Enum):
    """Why no window speaks for the reader."""

    NOTHING_METERED = "the publication meters nothing"
    NOT_ASKED = "no window was read"


MeterSeen = MeterState | NoMeter


class Step(NamedTuple):
    """A rule that was looked at, and whether it decided. What it saw is put into words when somebody asks."""

    rule: RuleName
    words: str
    about: tuple[object, ...] = ()
    """What stands in the gaps of the words."""
    decided: bool = False

    @property
    def saw(self) -> str:
        return self.words.format(*self.about)

    def __repr__(self) -> str:
        return f"Step({self.rule!r}, {self.saw!r}, decided={self.decided})"


Trail = tuple[Step, ...]


@dataclass(frozen=True)
class Hidden:
    """Not visible: it doesn't exist for readers."""

    trail: Trail = field(default=(), compare=False)


@dataclass(frozen=True)
class Allow:
    """Open, without any effect."""

    reason: AllowReason
    trail: Trail = field(default=(), compare=False)
    reference: str = field(default="", compare=False)
    """The grant's that opens it, where that is an institution's."""


@dataclass(frozen=True)
class Meter:
    """The meter opens it; `consumes` unless it is a re-read in the same window."""

    consumes: bool
    trail: Trail = field(default=(), compare=False)
    reason: MeterReason = "meter"


@dataclass(frozen=True)
class Wall:
    """Closed. `kind` says what would open it: registering where that is enough."""

    reason: WallReason
    kind: WallKind = "subscribe"
    trail: Trail = field(default=(), compare=False)


Outcome = Hidden | Allow | Meter | Wall
"""Two outcomes are equal where they say the same, however they came about."""


_VISIBLE = Step("visible", "the article is visible")
_STAFF = Step("staff", "an operator is signed in", decided=True)
_NOT_FREE = {level: Step("free", "the level is {}", (level,)) for level in get_args(Level)}


def decide(article: ArticleFacts, evidence: Evidence, meter: MeterSeen, now: datetime) -> Outcome:
    """Decide for `now`, the business time. `meter` is the window of whose meter it is."""
    level = article.level
    if not article.visible:
        return _hidden(evidence)
    if level == "free":
        return Allow("free", (_VISIBLE, Step("free", "the level is free", decided=True)))
    if level == "metered" and meter is NoMeter.NOTHING_METERED:
        words = "the level is metered, and nothing is metered"
        return Allow("free", (_VISIBLE, Step("free", words, decided=True)))
    seen: Trail = (_VISIBLE, _NOT_FREE[level])
    if evidence.staff:
        return Allow("staff", (*seen, _STAFF))
    if evidence.variant:
        seen = (*seen, Step("experiment", "the variant is {}", (evidence.variant,)))
    grant = _opening(evidence, article, now)
    if grant is not None:
        step = Step("grant", "{}", (grant,), decided=True)
        return Allow(grant.source, (*seen, step), grant.reference)
    words = _HELD[min(len(evidence.grants), 2)]
    seen = (*seen, Step("grant", words, (len(evidence.grants),)))
    if level == "registered":
        if evidence.verified:
            step = Step("registered", "the address is verified", decided=True)
            return Allow("registered", (*seen, step))
        kind: WallKind = "register" if evidence.can_register else "subscribe"
        step = Step("registered", "no verified address", decided=True)
        return Wall("registered_only", kind, (*seen, step))
    if level == "subscribers":
        step = Step("level", "grants alone open it", decided=True)
        return Wall("subscribers_only", trail=(*seen, step))
    return _metered(article, evidence, meter, seen)


_HELD = ("no grant is held", "the only grant doesn't open it", "none of {} grants opens it")


def _hidden(evidence: Evidence) -> Allow | Hidden:
    """Of what isn't visible, whatever its level."""
    words = "the article isn't visible"
    if evidence.staff:
        return Allow("staff", (Step("visible", words), _STAFF))
    return Hidden((Step("visible", words, decided=True),))


_USED = ("{} of {} used", "{} of {} used by {}")
"""Where the rule isn't known, and where it is."""


def _metered(article: ArticleFacts, evidence: Evidence, meter: MeterSeen, seen: Trail) -> Outcome:
    if evidence.counted:
        step = Step("meter", "the meter has opened this article", decided=True)
        return Meter(consumes=False, trail=(*seen, step))
    if not isinstance(meter, MeterState):
        return Wall("meter_not_asked", trail=(*seen, Step("meter", meter.value, decided=True)))
    words, used = _USED[meter.by is not None], (meter.used, meter.limit, meter.by)
    if meter.has_read(article.id):
        step = Step("meter", f"{words}, this article among those read", used, decided=True)
        return Meter(consumes=False, trail=(*seen, step))
    if meter.remaining <= 0:
        step = Step("meter", words, used, decided=True)
        return _meter_wall("meter_exhausted", evidence, (*seen, step))
    if evidence.network_closed:
        closed = Step("network", "its readers without cookies have used it up", decided=True)
        step = Step("meter", words, used)
        return _meter_wall("network_exhausted", evidence, (*seen, step, closed))
    return Meter(consumes=True, trail=(*seen, Step("meter", words, used, decided=True)))


def _meter_wall(reason: WallReason, evidence: Evidence, trail: Trail) -> Wall:
    """The wall where the meter opens nothing more: registering may open the reader's own meter."""
    more = evidence.can_register and evidence.room_after_registering > 0
    return Wall(reason, "register" if more else "subscribe", trail)


def _opening(evidence: Evidence, article: GrantableArticle, now: datetime) -> HeldGrant | None:
    """The live grant that opens the article: by precedence of its source, then the longest."""
    held = evidence.grants_for(article.id) if evidence.grants else ()
    if not held:
        return None
    opening = [each for each in held if covers(each.scope, article) and each.is_live(now)]
    return min(opening, key=_rank, default=None)


def _rank(grant: HeldGrant) -> tuple[int, bool, float, str]:
    end = -grant.ends_at.timestamp() if grant.ends_at is not None else 0.0
    return (PRECEDENCE[grant.source], grant.ends_at is not None, end, grant.scope)
