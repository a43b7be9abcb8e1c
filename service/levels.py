"""The levels of access: who may read an article whole, and over what the meter counts.

On the ground, for settings and rules alike.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Level = Literal["free", "metered", "registered", "subscribers"]
"""`free`: everybody; `metered`: the meter or a grant; `registered`: a verified address or a grant;
`subscribers`: a grant alone. Each is stricter than the one before.
"""

LEVELS: tuple[Level, ...] = get_args(Level)

WindowKind = Literal["day", "week", "month"]
"""The calendar day, ISO week or month over which the meter counts."""

LEVEL_WORDS: Mapping[Level, str] = {
    "free": "Free",
    "metered": "Metered",
    "registered": "Registered readers",
    "subscribers": "Subscribers",
}
"""What the newsroom's pages call them."""
