"""What is asked of the meter for one read, and what came of it."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from service.identity.touches import Touch
from service.limits.rate import Limit
from service.metering.ledger import Entry
from service.metering.window import MeterState, Window

T = TypeVar("T")


class Attempt(NamedTuple):
    """The entry's article is to be counted in the window of this meter, if it is new there and has room.

    `touch` is what led the entry's holder here, None where nothing of it is new. `network`: a device
    to which no meter and no gift link has opened anything counts against this limit, under this key. `prompts`
    are what the row says was said beside the article, if anything can be: one of them, by the articles left (`by_left`).
    """

    meter: str
    entry: Entry
    touch: Touch | None
    window: Window
    limit: int
    network: tuple[Limit, str] | None = None
    prompts: tuple[str | None, ...] = ()

    def recorded(self, state: MeterState) -> Entry:
        """Its row, once the article was counted."""
        prompt = by_left(self.prompts, state.remaining) if self.prompts else None
        return self.entry._replace(window_start=state.window.start, prompt=prompt)


class Recorded(NamedTuple):
    """What came of it: the window afterwards.

    `counted`: by this call. `closed`: the network has no room for another reader.
    """

    state: MeterState
    counted: bool = False
    closed: bool = False


def by_left(named: Sequence[T], left: int) -> T:
    """What is named for this number of articles left: the first is for none, the last for as many or more."""
    return named[min(left, len(named) - 1)]
