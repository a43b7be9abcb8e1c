"""What has become of an import's items: a line for each, and their counts. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from service.content.importers.notes import Note

Outcome = Literal["created", "updated", "unchanged", "withdrawn", "missing", "skipped", "mended"]
"""`missing`: its source doesn't have it any more. `mended`: a repair of the file, no item."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Entry:
    """What has become of one item. `kind` and `reason` are empty for an article that was stored."""

    outcome: Outcome
    title: str = ""
    source_id: str = ""
    slug: str | None = None
    kind: str = ""
    reason: str = ""
    level: str | None = None
    plans: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    def document(self) -> dict[str, Any]:
        """The entry as JSON; what is empty is left out."""
        fields = {
            "outcome": self.outcome,
            "source_id": self.source_id,
            "title": self.title,
            "slug": self.slug,
            "kind": self.kind,
            "reason": self.reason,
            "level": self.level,
            "plans": list(self.plans),
            "notes": [
                {"kind": note.kind, "detail": note.detail, "text": str(note)} for note in self.notes
            ],
        }
        return {key: value for key, value in fields.items() if value}


@dataclass
class Tally:
    """How often each kind came, with the first entries of it."""

    counts: Counter[str] = field(default_factory=Counter)
    _examples: dict[str, list[tuple[Entry, str]]] = field(default_factory=dict)

    def add(self, kind: str, entry: Entry, words: str) -> None:
        """Count the entry under `kind`; `words` say what it is about."""
        self.counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append((entry, words))

    def groups(self) -> Iterator[tuple[str, int, list[tuple[Entry, str]]]]:
        """Kind, number and examples, the most frequent first."""
        for kind, count in self.counts.most_common():
            yield kind, count, self._examples[kind]


@dataclass
class ImportSummary:
    """The counts so far; of a trial run, what they would be."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    skipped: Tally = field(default_factory=Tally)
    notes: Tally = field(default_factory=Tally)
    missing: Tally = field(default_factory=Tally)
    mended: Tally = field(default_factory=Tally)

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.outcomes[entry.outcome] += 1
        tallies = {"skipped": self.skipped, "missing": self.missing, "mended": self.mended}
        if entry.outcome in tallies:
            tallies[entry.outcome].add(entry.kind, entry, entry.reason)
        for note in entry.notes:
            self.notes.add(note.kind, entry, str(note))

    @property
    def items(self) -> int:
        """The number of items, repairs of the file left out."""
        return self.outcomes.total() - self.outcomes["mended"]
