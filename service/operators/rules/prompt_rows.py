"""The prompts in the form of the rules. One without a name is left out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from fastapi import Form

from service.operators.frame.ticks import ticked
from service.problems import Problem
from service.reports.schemas import Storable
from service.rules.document import RulesIn
from service.rules.prompt_document import PromptIn

_LONGEST_ORDER = 4
_MOST_ROWS, _MOST_TICKED = 1_100, 6_000

Column = Annotated[list[Annotated[str, Storable]] | None, Form(max_length=_MOST_ROWS)]
Ticked = Annotated[list[Annotated[str, Storable]] | None, Form(max_length=_MOST_TICKED)]
"""Boxes of all rows (frame/ticks.py)."""


@dataclass(frozen=True)
class PromptRow:
    """The texts of a prompt. Sections have a line each, languages commas; times are of the publication's zone.

    `order` is its place among the prompts, from 1; empty: after the others.
    """

    prompt: str = ""
    title: str = ""
    text: str = ""
    place: str = "wall"
    prompt_sections: str = ""
    languages: str = ""
    left_at_most: str = ""
    every_days: str = ""
    starts_at: str = ""
    ends_at: str = ""
    draft: str = ""
    order: str = ""
    audiences: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    @classmethod
    def of(cls, prompt: PromptIn, zone: ZoneInfo, order: int) -> Self:
        return cls(
            prompt.name, prompt.title, prompt.text, prompt.place, "\n".join(prompt.sections),
            ", ".join(prompt.languages), _figure(prompt.left_at_most), _figure(prompt.every_days),
            _local(prompt.starts_at, zone), _local(prompt.ends_at, zone), "yes" if prompt.draft else "",
            str(order), prompt.audiences, prompt.walls, prompt.entries, prompt.offers,
        )  # fmt: skip

    def document(self, zone: ZoneInfo) -> dict[str, Any]:
        """As it is in the rules. A time that can't be read stays as it is, and is refused there."""
        return {
            "name": self.prompt, "title": self.title, "text": one_kind_of_line_end(self.text),
            "place": self.place, "audiences": self.audiences, "walls": self.walls,
            "sections": self.prompt_sections.splitlines(), "languages": _listed(self.languages),
            "entries": self.entries, "offers": self.offers,
            "left_at_most": self.left_at_most.strip() or None, "every_days": self.every_days.strip() or None,
            "starts_at": _instant(self.starts_at, zone), "ends_at": _instant(self.ends_at, zone),
            "draft": self.draft == "yes",
        }  # fmt: skip


def _figure(value: int | None) -> str:
    return "" if value is None else str(value)


def one_kind_of_line_end(text: str) -> str:
    """As it was sent by the API: a form sends line ends of its own."""
    return text.strip().replace("\r\n", "\n")


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return ""
    local = at.astimezone(zone).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def _instant(text: str, zone: ZoneInfo) -> str | None:
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=zone).isoformat()
    except ValueError:
        return text


async def sent_prompts(
    prompt: Column = None,
    title: Column = None,
    text: Column = None,
    place: Column = None,
    prompt_sections: Column = None,
    languages: Column = None,
    left_at_most: Column = None,
    every_days: Column = None,
    starts_at: Column = None,
    ends_at: Column = None,
    draft: Column = None,
    order: Column = None,
    audiences: Ticked = None,
    walls: Ticked = None,
    entries: Ticked = None,
    offers: Ticked = None,
) -> list[PromptRow]:
    """The prompts as they were sent. Raises Problem `invalid-request` for columns that don't fit."""
    columns = [
        prompt, title, text, place, prompt_sections, languages, left_at_most, every_days, starts_at,
        ends_at, draft, order,
    ]  # fmt: skip
    rows = list(rows_in(columns))
    boxes = [ticked(each, len(rows)) for each in (audiences, walls, entries, offers)]
    return [PromptRow(*texts, *ticks) for texts, *ticks in zip(rows, *boxes, strict=True)]


def in_order(rows: Iterable[PromptRow]) -> list[PromptRow]:
    """Those with a name, by their order. Raises Problem `invalid-request` for an order that isn't a number."""

    def place(row: PromptRow) -> float:
        text = row.order.strip()
        if not text:
            return inf
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_ORDER):
            raise Problem(
                "invalid-request", f"Prompt {row.prompt.strip()}, order: must be a number."
            )
        return int(text)

    return sorted((each for each in rows if each.prompt.strip()), key=place)


def prompts_of(rules: RulesIn, zone: ZoneInfo) -> list[PromptRow]:
    """The rows that show the prompts of these rules, and a spare one."""
    shown = (PromptRow.of(each, zone, place) for place, each in enumerate(rules.prompts, start=1))
    return [*shown, PromptRow()]


def rows_in(columns: Sequence[Sequence[str] | None]) -> Iterator[tuple[str, ...]]:
    """The columns of a form row by row. Raises Problem `invalid-request` where some are missing."""
    if len({len(each or ()) for each in columns}) != 1:
        raise Problem("invalid-request", "Part of the form is missing. Go back and send it again.")
    return zip(*(each or () for each in columns), strict=True)
