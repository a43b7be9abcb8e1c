"""The form's fields of meters: limits by entry, and a fieldset for each meter of its own."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from service.identity.entry import ENTRY_WORDS
from service.operators.rules.prompt_rows import Column, rows_in
from service.rules.document import MeterIn, NamedMeterIn, RulesIn

_Limited = Literal["anonymous", "registered"]
LIMITED: tuple[_Limited, ...] = get_args(_Limited)


def entry_field(entry: str, limited: str) -> str:
    """The name of the field of an entry's limit."""
    return f"entry.{entry}.{limited}"


ENTRY_FIELDS = tuple(entry_field(entry, each) for entry in ENTRY_WORDS for each in LIMITED)


def entry_limits(meter: MeterIn | None) -> dict[str, str]:
    """The texts of these fields, where they have a limit."""
    words: dict[str, str] = {}
    for each in meter.entries if meter is not None else ():
        for limited in LIMITED:
            limit = getattr(each, limited)
            if limit is not None:
                words[entry_field(each.entry, limited)] = str(limit)
    return words


def entries_in(words: Mapping[str, str]) -> list[dict[str, str]]:
    """The document's limits by entry; an entry without any is left out."""
    found: list[dict[str, str]] = []
    for entry in ENTRY_WORDS:
        limits = {each: words.get(entry_field(entry, each), "").strip() for each in LIMITED}
        named = {each: limit for each, limit in limits.items() if limit}
        if named:
            found.append({"entry": str(entry)} | named)
    return found


@dataclass(frozen=True)
class MeterRow:
    """The texts of a meter of its own. Sections and tags have a line each."""

    meter: str = ""
    meter_sections: str = ""
    meter_tags: str = ""
    window: str = "month"
    days: str = ""
    anonymous: str = ""
    registered: str = ""
    former: str = ""

    @classmethod
    def of(cls, meter: NamedMeterIn) -> Self:
        limits = (meter.days, meter.anonymous, meter.registered, meter.former)
        return cls(
            meter.name, "\n".join(meter.sections), "\n".join(meter.tags), meter.window,
            *("" if each is None else str(each) for each in limits),
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """As it is in the rules."""
        return {
            "name": self.meter.strip(), "sections": self.meter_sections.splitlines(),
            "tags": self.meter_tags.splitlines(), "window": self.window, "days": self.days or None,
            "anonymous": self.anonymous or None, "registered": self.registered,
            "former": self.former or None,
        }  # fmt: skip


async def sent_meters(
    meter: Column = None,
    meter_sections: Column = None,
    meter_tags: Column = None,
    meter_window: Column = None,
    meter_days: Column = None,
    meter_anonymous: Column = None,
    meter_registered: Column = None,
    meter_former: Column = None,
) -> list[MeterRow]:
    """The meters as they were sent. Raises Problem `invalid-request` for columns that don't fit."""
    columns = [
        meter, meter_sections, meter_tags, meter_window, meter_days, meter_anonymous, meter_registered,
        meter_former,
    ]  # fmt: skip
    return [MeterRow(*texts) for texts in rows_in(columns)]


def meters_of(rules: RulesIn) -> list[MeterRow]:
    """The rows that show the meters of these rules, and a spare one."""
    return [*(MeterRow.of(each) for each in rules.meters), MeterRow()]


def named_meters(rows: Iterable[MeterRow]) -> Iterator[MeterRow]:
    """Those with a name: others are left out."""
    return (each for each in rows if each.meter.strip())
