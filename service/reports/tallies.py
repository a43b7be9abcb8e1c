"""What was counted and summed by steps of a period, before it becomes figures: pure."""

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from itertools import accumulate

BEFORE = -1
"""The step of rows from before the period."""
INVOLUNTARY, VOLUNTARY, PAUSED, CHANGED_OUT = "involuntary", "voluntary", "paused", "changed_out"
NEW, REACTIVATED, RESUMED, CHANGED_IN = "new", "reactivated", "resumed", "changed_in"
LEFT = (INVOLUNTARY, VOLUNTARY, PAUSED, CHANGED_OUT)
JOINED = (NEW, REACTIVATED, RESUMED, CHANGED_IN)
Key = tuple[str, str]
"""A split's value and a currency, either of them empty where nothing is told apart by it."""


@dataclass
class Tally:
    """What there was before the period, and what each step added."""

    opening: Fraction | int
    steps: list[Fraction | int]

    @classmethod
    def empty(cls, steps: int) -> "Tally":
        return cls(0, [0] * steps)

    def add(self, step: int, amount: Fraction | int) -> None:
        if step == BEFORE:
            self.opening += amount
        else:
            self.steps[step] += amount

    def during(self, step: int | None) -> Fraction | int:
        """What a step added, or for None the whole period."""
        return sum(self.steps) if step is None else self.steps[step]

    def before(self, step: int | None) -> Fraction | int:
        """What there was when the step began, or for None the period."""
        return self.opening if not step else self._ends[step - 1]

    def after(self, step: int | None) -> Fraction | int:
        """What there is when the step ends, or for None the period."""
        return self._ends[-1 if step is None else step]

    @cached_property
    def _ends(self) -> list[Fraction | int]:
        """Looked at once nothing is added any more."""
        return list(accumulate(self.steps, initial=self.opening))[1:]


@dataclass
class Tallies:
    """Tallies by key and by kind of movement, or way of joining and leaving."""

    count: int
    """Of steps."""
    by_key: dict[Key, dict[str, Tally]] = field(default_factory=dict)

    def add(self, key: Key, kind: str, step: int, amount: Fraction | int) -> None:
        kinds = self.by_key.setdefault(key, {})
        kinds.setdefault(kind, Tally.empty(self.count)).add(step, amount)

    def of(self, key: Key, *kinds: str) -> Tally:
        """The sum of these kinds."""
        found = Tally.empty(self.count)
        for kind, tally in self.by_key.get(key, {}).items():
            if kind in kinds:
                found.opening += tally.opening
                found.steps = [a + b for a, b in zip(found.steps, tally.steps, strict=True)]
        return found

    def all_of(self, key: Key) -> Tally:
        return self.of(key, *self.by_key.get(key, {}))

    @property
    def keys(self) -> list[Key]:
        return sorted(self.by_key)


@dataclass(frozen=True)
class Stay:
    """A reader's time as an active subscriber; `until` None: it goes on. `cause`: why it ended."""

    customer: str
    split: str
    since: datetime
    until: datetime | None
    way: str
    cause: str
