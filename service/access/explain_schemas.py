"""An explanation over HTTP."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.access.decision import Allow, Hidden, Meter, RuleName, Wall, WallKind
from service.access.explain import Explanation
from service.access.reasons import Reason, operators_words
from service.access.schemas import MeterOut
from service.bodies import Body
from service.clock import Instant
from service.content.level import LevelSource
from service.db.tables import AccessEntry
from service.identity.entry import Entry
from service.levels import Level
from service.rules.prompts import Audience, Place
from service.texts import SLUG_LENGTH, storable


class ExplainQuery(Body):
    """`reader`: an id, or an address that the reader has confirmed, or of a browser of nobody known the id that the
    ledger has (`dev_…`). `at`: now, where it is left out.
    """

    reader: Annotated[str, AfterValidator(storable), Field(min_length=3, max_length=255)]
    article: Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=SLUG_LENGTH)]
    at: Instant | None = None
    entry: Entry = "direct"
    """By what the reader came: a limit of the meter may depend on it."""


class StepOut(BaseModel):
    """A rule that was looked at, what it saw, and whether it decided."""

    rule: RuleName
    saw: str
    decided: bool


class LevelOut(BaseModel):
    """The level of that instant, what set it, and when it changes by itself (null: never)."""

    level: Level
    source: LevelSource
    until: AwareDatetime | None


class SaidOut(BaseModel):
    """What would be said to the reader who opens the article. `audience` is who they are to prompts; a network of an
    institution, or a gift link that they haven't opened yet, makes them another one. `prompt` is its name, or
    "(usual words)" and "(helping words)" of a wall without one; null, as `place`: nothing is said.
    """

    audience: Audience
    place: Place | None
    prompt: str | None


class RecordedOut(BaseModel):
    """A row of the ledger. `consumed`: it took one of the free articles."""

    at: AwareDatetime
    granted: bool
    consumed: bool
    reason: str
    wall: str | None
    prompt: str | None
    """What was said at the wall or beside the article."""

    @classmethod
    def of(cls, row: AccessEntry | None) -> Self | None:
        return cls.model_validate(row, from_attributes=True) if row is not None else None


class ExplanationOut(BaseModel):
    """`outcome` hidden: the article doesn't exist for readers, and `reason` is null. `wall` says what would
    open it. `unknown` are sentences on what isn't known of that instant. A browser (`device`) has no `reader_id`.
    """

    reader_id: str | None
    device: str | None
    article: str
    title: str
    at: AwareDatetime
    outcome: Literal["hidden", "open", "metered", "walled"]
    granted: bool
    reason: Reason | None
    reason_text: str
    would_consume: bool
    wall: WallKind | None
    level: LevelOut | None
    trail: list[StepOut]
    meter: MeterOut | None
    said: SaidOut | None
    """Now; null of the past, where `recorded` has what was said, of what is hidden, and without subscribers:read."""
    recorded: RecordedOut | None
    """The last answer in the ledger to this reader about this article, until then."""
    unknown: list[str]

    @classmethod
    def of(cls, found: Explanation) -> Self:
        outcome, level = found.outcome, found.level
        reason = None if isinstance(outcome, Hidden) else outcome.reason
        return cls(
            reader_id=found.reader_id,
            device=found.device,
            article=found.article.slug,
            title=found.article.title,
            at=found.at,
            outcome=_NAMES[type(outcome)],
            granted=isinstance(outcome, Allow | Meter),
            reason=reason,
            reason_text="hidden from readers" if reason is None else operators_words(reason),
            would_consume=isinstance(outcome, Meter) and outcome.consumes,
            wall=outcome.kind if isinstance(outcome, Wall) else None,
            level=LevelOut(level=level.level, source=level.source, until=level.until)
            if level is not None
            else None,
            trail=[StepOut(rule=s.rule, saw=s.saw, decided=s.decided) for s in outcome.trail],
            meter=MeterOut.of(found.meter),
            said=SaidOut.model_validate(found.said, from_attributes=True)
            if found.said is not None
            else None,
            recorded=RecordedOut.of(found.recorded),
            unknown=list(found.unknown),
        )


_NAMES: dict[type, Literal["hidden", "open", "metered", "walled"]] = {
    Hidden: "hidden", Allow: "open", Meter: "metered", Wall: "walled"
}  # fmt: skip
