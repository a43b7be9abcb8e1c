"""What the steps through a post's content gather beside its HTML."""

from dataclasses import dataclass, field

from service.content.importers.markup import plain_text
from service.content.importers.notes import Note
from service.content.importers.walls import Wall

_SHOWN_OF_WORDS = 80


@dataclass
class Found:
    """Walls in the order of the text, and what a person should know."""

    walls: list[Wall] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, kind: str, detail: str = "") -> None:
        """Record a note; `kind` is a key of notes.SENTENCES."""
        self.notes.append(Note(kind, detail))

    def left_out(self, kind: str, source: str) -> None:
        """Record a part that isn't imported, by the beginning of its words."""
        words = plain_text(source)
        if words:
            self.note(
                kind, words if len(words) <= _SHOWN_OF_WORDS else f"{words[:_SHOWN_OF_WORDS]}…"
            )
