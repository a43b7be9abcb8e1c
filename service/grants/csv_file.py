"""A CSV file of which nothing is taken if a line is bad: its lines, what is wrong with it, and what it would change."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

from service.clock import in_utc


class ListRefused(Exception):
    """Nothing was changed. `problems` are sentences, each about a line where it has one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DryRun(Exception):
    """Everything was done, to be rolled back."""


@dataclass
class Differences:
    """Names by what happened to them, or would; `unchanged` is their number. `warnings` are sentences about what is
    perhaps mistyped, and was taken.
    """

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    unchanged: int = 0
    warnings: list[str] = field(default_factory=list)
    stamp: str = field(default="", compare=False)
    """Another one where the list would change something else, or from something else; it says nothing of its own."""


def lines_of(data: bytes, advice: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and each line with its number: UTF-8, comma or semicolon.

    Raises ListRefused.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ListRefused([f"Line {line} isn't UTF-8. Save the file as CSV UTF-8."]) from error
    if "\0" in text:
        raise ListRefused(["The file isn't text. Save it as CSV UTF-8."])
    header = text.partition("\n")[0]
    reader = csv.reader(StringIO(text), delimiter=";" if ";" in header else ",", strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise ListRefused([f"Line {reader.line_num}: {error}."]) from error
    if not lines:
        raise ListRefused([f"The file is empty. {advice}"])
    return [each.strip().lower() for each in lines[0][1]], lines[1:]


def check_columns(
    names: list[str], known: tuple[str, ...], needed: tuple[str, ...], advice: str
) -> None:
    """Raises ListRefused where the columns aren't those of such a list."""
    unknown = [each for each in names if each not in known]
    missing = [each for each in needed if each not in names]
    if unknown or missing or len(set(names)) != len(names):
        told = f"unknown: {', '.join(unknown)}; " if unknown else ""
        told += f"missing: {', '.join(missing)}; " if missing else ""
        raise ListRefused(
            [
                f"The columns aren't those of a list ({told or 'one is there twice; '}see below). {advice}"
            ]
        )


def named(names: list[str], line: list[str]) -> dict[str, str]:
    if len(line) != len(names):
        raise ValueError(f"has {len(line)} values instead of {len(names)}")
    return {name: value.strip() for name, value in zip(names, line, strict=True)}


def once(what: str, value: str, seen: dict[str, int], number: int) -> None:
    if value and seen.setdefault(value, number) != number:
        raise ValueError(f"the {what} of line {seen[value]} once more")


def instant(text: str, zone: ZoneInfo, *, ends: bool) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == len("2026-12-31"):
            day = date.fromisoformat(text) + timedelta(days=1 if ends else 0)
            return in_utc(datetime.combine(day, time.min, zone))
        read = datetime.fromisoformat(text)
        return in_utc(read if read.tzinfo is not None else read.replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        hint = "; leave it empty if there is no end" if ends else ""
        raise ValueError(f"{text} is no day or time, such as 2026-12-31{hint}") from error


def end_of_run(*, dry_run: bool) -> None:
    """In a transaction, after everything: DryRun rolls it back."""
    if dry_run:
        raise DryRun


def told(
    differences: Differences, *, most: int, words: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A line for each difference, at most `most` of a kind, and for each warning. `words` say what it changes, by its
    name.
    """
    said = words or {}
    for mark, references in (
        ("+", differences.created), ("~", differences.changed), ("-", differences.ended)
    ):  # fmt: skip
        yield from (
            f"{mark} {each}: {said[each]}" if each in said else f"{mark} {each}"
            for each in references[:most]
        )
        if len(references) > most:
            yield f"{mark} … and {len(references) - most} more"
    yield from differences.warnings[:most]
