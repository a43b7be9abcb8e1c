"""The form of a plan: one fieldset for the experiment, one a variant. Variants without a name are left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from fastapi import Form
from pydantic import ValidationError

from service.bodies import TYPED
from service.operators.frame.ticks import ticked
from service.problems import Problem
from service.reports.schemas import Storable
from service.rules.experiment_document import ExperimentIn, VariantIn
from service.wrong_values import said_of

_ROWS, _MOST_ROWS, _MOST_BOXES = 4, 6, 400
Text = Annotated[str, Form(max_length=5_000), Storable]
Boxes = Annotated[list[Annotated[str, Storable]] | None, Form(max_length=_MOST_BOXES)]
Column = Annotated[list[Annotated[str, Storable]] | None, Form(max_length=_MOST_ROWS)]


@dataclass(frozen=True)
class VariantRow:
    """The texts of a variant."""

    variant: str = ""
    share: str = ""
    anonymous: str = ""
    registered: str = ""
    title: str = ""
    text: str = ""
    offers: tuple[str, ...] = ()
    """Ids."""

    @classmethod
    def of(cls, variant: VariantIn) -> Self:
        limits, words = variant.limits, variant.words
        return cls(
            variant.name,
            str(variant.share),
            str(limits.anonymous) if limits else "",
            str(limits.registered) if limits else "",
            words.title if words else "",
            words.text if words else "",
            words.offers if words else (),
        )

    def document(self) -> dict[str, Any]:
        limits = {"anonymous": self.anonymous.strip(), "registered": self.registered.strip()}
        words = {
            "title": self.title,
            "text": self.text.strip().replace("\r\n", "\n"),
            "offers": self.offers,
        }
        return {
            "name": self.variant.strip(),
            "share": self.share.strip(),
            "limits": limits if any(limits.values()) else None,
            "words": words if self.title.strip() or words["text"] or words["offers"] else None,
        }


@dataclass(frozen=True)
class PlanTyped:
    """All texts of the form. Sections have a line each; `ends_at` is of the publication's zone."""

    slug: str = ""
    question: str = ""
    subject: str = "prompt"
    goal: str = "paid"
    within_days: str = "7"
    size: str = ""
    ends_at: str = ""
    audiences: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    sections: str = ""
    languages: str = ""
    entries: tuple[str, ...] = ()
    place: str = "wall"
    every_days: str = ""
    rows: Sequence[VariantRow] = ()

    @classmethod
    def of(cls, plan: ExperimentIn, zone: ZoneInfo) -> Self:
        ends = plan.ends_at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")
        return cls(
            plan.slug, plan.question, plan.subject, plan.goal, str(plan.within_days), str(plan.size),
            ends, plan.audiences, plan.walls, "\n".join(plan.sections),
            ", ".join(plan.languages), plan.entries, plan.place, str(plan.every_days or ""),
            tuple(VariantRow.of(each) for each in plan.variants),
        )  # fmt: skip

    @property
    def shown_rows(self) -> list[VariantRow]:
        """The rows with spare ones."""
        return [*self.rows, *[VariantRow()] * (_ROWS - len(self.rows))]

    def plan(self, zone: ZoneInfo) -> ExperimentIn:
        """Raises Problem `invalid-request`, in words about the fields."""
        named = [each for each in self.rows if each.variant.strip()]
        document = {
            "slug": self.slug.strip(), "question": self.question, "subject": self.subject,
            "goal": self.goal, "within_days": self.within_days.strip(), "size": self.size.strip(),
            "ends_at": _instant(self.ends_at, zone), "audiences": self.audiences,
            "walls": self.walls, "sections": self.sections.splitlines(),
            "languages": _listed(self.languages), "entries": self.entries,
            "place": self.place, "every_days": self.every_days.strip() or None, "variants": [each.document() for each in named],
        }  # fmt: skip
        try:
            return ExperimentIn.model_validate(document, context=TYPED)
        except ValidationError as error:
            raise Problem("invalid-request", " ".join(_sentences(error, named))) from error


_LABELS: Mapping[str, str] = {
    "slug": "Name", "question": "Question", "subject": "Tests", "goal": "Goal",
    "within_days": "Conversion window", "size": "Sample size", "ends_at": "End", "sections": "Sections",
    "languages": "Article languages", "place": "Place", "every_days": "Show once every … days",
}  # fmt: skip


async def sent_plan(
    slug: Text = "",
    question: Text = "",
    subject: Text = "",
    goal: Text = "",
    within_days: Text = "",
    size: Text = "",
    ends_at: Text = "",
    audiences: Boxes = None,
    walls: Boxes = None,
    sections: Text = "",
    languages: Text = "",
    entries: Boxes = None,
    place: Text = "wall",
    every_days: Text = "",
    variant: Column = None,
    share: Column = None,
    anonymous: Column = None,
    registered: Column = None,
    title: Column = None,
    text: Column = None,
    offers: Boxes = None,
) -> PlanTyped:
    """The form as it was sent. Raises Problem `invalid-request` for columns that don't fit."""
    columns = [variant, share, anonymous, registered, title, text]
    if len({len(each or ()) for each in columns}) != 1:
        raise Problem("invalid-request", "Part of the form is missing. Go back and send it again.")
    texts_of = list(zip(*(each or () for each in columns), strict=True))
    shown = ticked(offers, len(texts_of))
    rows = tuple(
        replace(VariantRow(*texts), offers=ids) for texts, ids in zip(texts_of, shown, strict=True)
    )
    scope = [ticked(each, 1)[0] for each in (audiences, walls, entries)]
    return PlanTyped(
        slug,
        question,
        subject,
        goal,
        within_days,
        size,
        ends_at,
        scope[0],
        scope[1],
        sections,
        languages,
        scope[2],
        place,
        every_days,
        rows,
    )


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _instant(text: str, zone: ZoneInfo) -> str:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=zone).isoformat()
    except ValueError:
        return text


def _sentences(error: ValidationError, rows: Sequence[VariantRow]) -> Iterator[str]:
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        message = said_of(item)
        if len(place) > 1 and place[0] == "variants":
            field = f", {place[-1]}" if not place[-1].isdigit() else ""
            yield f"Variant {rows[int(place[1])].variant.strip()}{field}: {message}."
        elif place:
            yield f"{_LABELS.get(place[0], place[0].capitalize())}: {message}."
        else:
            yield f"{message[:1].upper()}{message[1:]}."
