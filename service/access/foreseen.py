"""What is said to a reader who opens an article, foretold for an explanation: with the rules that unlock asks."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Evidence, Hidden, Meter, Outcome, Wall
from service.access.shown import arrival_of, hearer_of
from service.access.wall import name_of_words
from service.content.article import StoredArticle
from service.db.tables import Reader
from service.identity.entry import Entry
from service.metering.past import latest_device
from service.metering.window import MeterState
from service.rules.in_force import InForce
from service.rules.prompts import AUDIENCE_WORDS, Audience, Occasion, Place


@dataclass(frozen=True)
class Foreseen:
    """`audience` is who the reader is to prompts. `prompt` is its name, or what the ledger calls a wall's words without
    one; None, as the place: nothing is said.
    """

    audience: Audience
    place: Place | None = None
    prompt: str | None = None

    @property
    def sentence(self) -> str:
        """For the newsroom."""
        where = "at the wall" if self.place == "wall" else "beside the article"
        prompt = f"Prompt {where}: {self.prompt}." if self.prompt is not None else "No prompt."
        return f"Audience: {AUDIENCE_WORDS[self.audience]}. {prompt}"


@dataclass(frozen=True)
class Opened:
    """An article as the reader would open it; `device` is the browser's pseudonym, where that is who is asked about."""

    article: StoredArticle
    outcome: Outcome
    evidence: Evidence
    meter: MeterState | None
    reader: Reader | None
    device: str | None
    entry: Entry


async def foreseen(
    session: AsyncSession, opened: Opened, in_force: InForce, at: datetime
) -> Foreseen | None:
    """None: the article doesn't exist for readers.

    Of prompts that rest, the first counts as due: what a browser was shown, it alone knows.
    """
    outcome, reader, device = opened.outcome, opened.reader, opened.device
    if isinstance(outcome, Hidden):
        return None
    if reader is not None and in_force.know_gifts:
        device = await latest_device(session, reader.id, at)
    arrival = arrival_of(opened.article, opened.evidence, opened.entry, at)
    hearer = await hearer_of(
        session, arrival, in_force, reader_id=reader.id if reader is not None else None, device=device,
        verified=opened.evidence.verified,
    )  # fmt: skip
    meets = partial(
        Occasion,
        hearer.audience,
        section=arrival.section,
        language=arrival.language,
        entry=arrival.entry,
    )
    if isinstance(outcome, Wall):
        said = next(iter(in_force.rules.prompts_for(meets(wall=outcome.kind), at)), None)
        return Foreseen(hearer.audience, "wall", name_of_words(said, hearer.audience))
    left = None
    if isinstance(outcome, Meter) and opened.meter is not None:
        left = opened.meter.remaining - outcome.consumes
    said = next(iter(in_force.rules.prompts_for(meets(left=left), at)), None)
    return Foreseen(hearer.audience, said.place, said.name) if said else Foreseen(hearer.audience)
