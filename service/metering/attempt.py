"""What is asked of the meter for one read, and what came of it."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from service.identity.touches import Touch
from service.limits.rate import Limit
from service.metering.ledger import Entry
from service.metering.window import MeterState, Window


class HasLeft(Protocol):
    """What is said while no more articles than these are left; None: always."""

    @property
    def left_at_most(self) -> int | None: ...


T = TypeVar("T", bound=HasLeft)


class Said(NamedTuple):
    """The name of a prompt, for the ledger."""

    prompt: str
    left_at_most: int | None = None


class Attempt(NamedTuple):
    """The entry's article is to be counted in the window of this meter, if it is new there and has room.

    `touch` is what led the entry's holder here, None where nothing of it is new. `network`: a device
    to which no meter and no gift link has opened anything counts against this limit, under this key. `prompts`
    are what the row may say was said beside the article: one of them at most, by the articles left (`by_left`).
    """

    meter: str
    entry: Entry
    touch: Touch | None
    window: Window
    limit: int
    network: tuple[Limit, str] | None = None
    prompts: tuple[Said, ...] = ()

    def recorded(self, state: MeterState) -> Entry:
        """Its row, once the article was counted."""
        said = by_left(self.prompts, state.remaining)
        return self.entry._replace(
            window_start=state.window.start, prompt=said.prompt if said is not None else None
        )


class Recorded(NamedTuple):
    """What came of it: the window afterwards.

    `counted`: by this call. `closed`: the network has no room for another reader.
    """

    state: MeterState
    counted: bool = False
    closed: bool = False


def by_left(prompts: Iterable[T], left: int) -> T | None:
    """The first that is said with this number of articles left."""
    return next(
        (each for each in prompts if each.left_at_most is None or left <= each.left_at_most), None
    )
