"""The levels of access: who may read an article whole, and over what the meter counts.

On the ground, for settings and rules alike.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

Level = Literal["free", "metered", "registered", "subscribers"]
"""`free`: everybody; `metered`: the meter or a grant; `registered`: a verified address or a grant;
`subscribers`: a grant alone. Each is stricter than the one before.
"""

LEVELS: tuple[Level, ...] = get_args(Level)

WindowKind = Literal["day", "week", "month", "rolling"]
"""The calendar day, ISO week or month over which a meter counts; or days from a reader's first article."""


class Span(NamedTuple):
    """How long a meter counts before it begins anew. `days`, of 24 hours, are those of a rolling window."""

    kind: WindowKind = "month"
    days: int = 0

    @classmethod
    def of(cls, kind: WindowKind, days: int | None) -> "Span":
        """`days` count where the window is a rolling one."""
        return cls(kind, (days or 0) if kind == "rolling" else 0)


LEVEL_WORDS: Mapping[Level, str] = {
    "free": "Free",
    "metered": "Metered",
    "registered": "Registered readers",
    "subscribers": "Subscribers",
}
"""What the newsroom's pages call them."""
