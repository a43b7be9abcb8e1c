"""What decides which prompts a reader sees: who they are to the newsroom, the article, how they came."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.billing.outlook import lacks_card
from service.billing.statuses import OWING
from service.billing.subscriptions import BoughtSubscription
from service.identity.entry import Entry
from service.rules.prompts import Audience, audience_of

_SUBSCRIBED: frozenset[Audience] = frozenset({"past_due", "subscribed"})
FORMER: frozenset[Audience] = frozenset({"lapsed", "trial_used"})
"""Those who subscribed before, and don't any more."""


@dataclass(frozen=True)
class Arrival:
    """The article's section and language, how the reader came to it, and the sources of their live grants.

    `held` finds the sources: most reads never ask.
    """

    section: str | None = None
    language: str | None = None
    entry: Entry = "direct"
    held: Callable[[], frozenset[str]] = frozenset

    @property
    def sources(self) -> frozenset[str]:
        return self.held()


def audience_of_reader(
    verified: bool, bought: Iterable[BoughtSubscription], sources: frozenset[str]
) -> Audience:
    """`bought` are the reader's subscriptions, those that never started among them."""
    started = [each for each in bought if each.has_started]
    held = [each for each in started if each.is_held]
    over = [each for each in started if not each.is_held]
    return audience_of(
        verified=verified,
        owes=any(each.row.status in OWING or lacks_card(each.row, each.until) for each in held),
        subscribes=bool(held),
        paid_before=any(not _only_tried(each) for each in over),
        tried_before=bool(over),
        sources=sources,
    )


def may_subscribe(audience: Audience) -> bool:
    """Whether Checkout would sell them a subscription: not beside one that holds something of ours."""
    return audience not in _SUBSCRIBED


def _only_tried(bought: BoughtSubscription) -> bool:
    """Whether it was over with its trial, or was stopped as another trial of the same card."""
    row = bought.row
    if row.trial_end is None:
        return False
    ended_in_trial = row.ended_at is not None and row.ended_at <= row.trial_end
    return ended_in_trial or row.access_stop == "trial_used"
