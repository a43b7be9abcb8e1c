"""What is asked of the meter for one read, and what came of it."""

from typing import NamedTuple

from service.identity.touches import Touch
from service.limits.rate import Limit
from service.metering.ledger import Entry
from service.metering.window import MeterState, Window


class Attempt(NamedTuple):
    """The entry's article is to be counted in the window of this meter, if it is new there and has room.

    `touch` is what led the entry's holder here, None where nothing of it is new. `network`: a device
    to which no meter and no gift link has opened anything counts against this limit, under this key.
    """

    meter: str
    entry: Entry
    touch: Touch | None
    window: Window
    limit: int
    network: tuple[Limit, str] | None = None


class Recorded(NamedTuple):
    """What came of it: the window afterwards.

    `counted`: by this call. `closed`: the network has no room for another reader.
    """

    state: MeterState
    counted: bool = False
    closed: bool = False
