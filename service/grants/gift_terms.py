"""What a gift link opens, and who may give which article: pure, time is a parameter.

A link opens one article to a number of devices, up to its end, whatever the meter says. A newer link of the same
giver and article ends the older one, and so does switching it off: it then opens nothing to anybody.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.grants.grants import Source
from service.levels import Level

GiftState = Literal["open", "used_up", "expired", "ended", "unknown"]
GIVING_SOURCES: frozenset[Source] = frozenset({"subscription", "external"})
"""What is paid for; what was given isn't given on."""

REFUSAL_WORDS: dict[GiftState, str] = {
    "used_up": "This gift link has been opened by as many readers as it allows.",
    "expired": "This gift link has expired.",
    "ended": "This gift link was switched off, or a newer one has taken its place.",
    "unknown": "This gift link isn’t complete, or it belongs to another article.",
}
"""Why a link opens nothing, to who came by it."""

NETWORK_CLOSED = "Many new browsers have read from your network today. Open the gift link tomorrow, or from another network."
"""Why a link that is open takes no new device from this network."""


@dataclass(frozen=True)
class GiftTerms:
    """One link. It opens up to, but not at, `ends_at`."""

    readers: int
    most_readers: int
    ends_at: datetime
    ended_at: datetime | None

    def state(self, at: datetime) -> GiftState:
        """What it is for a device that hasn't opened it yet."""
        if self.ended_at is not None:
            return "ended"
        if at >= self.ends_at:
            return "expired"
        return "open" if self.readers < self.most_readers else "used_up"


GivingReason = Literal["may_give", "is_off", "is_free", "not_subscribed", "all_given", "all_opened"]


@dataclass(frozen=True)
class Giving:
    """Whether an article may be given. `left` are the articles that may be given after this one, `places` the
    readers that a new link opens to.
    """

    reason: GivingReason
    left: int = 0
    places: int = 0

    @property
    def is_possible(self) -> bool:
        return self.reason == "may_give"


def may_give(
    level: Level,
    opened_by: Collection[Source],
    *,
    given: int,
    is_given: bool,
    most: int,
    readers: int,
    most_readers: int,
) -> Giving:
    """`opened_by` are the sources of the giver's grants that open the article. `given` articles of `most`
    were given this month; one that is among them, as `is_given` says, doesn't count again, and neither do its
    links begin anew: `readers` of `most_readers` have opened it by them.
    """
    if most == 0:
        return Giving("is_off")
    if level == "free":
        return Giving("is_free")
    if not GIVING_SOURCES & set(opened_by):
        return Giving("not_subscribed")
    if not is_given and given >= most:
        return Giving("all_given")
    if readers >= most_readers:
        return Giving("all_opened")
    return Giving("may_give", max(0, most - given - (0 if is_given else 1)), most_readers - readers)
