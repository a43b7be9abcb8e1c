"""What comes next for a subscription, from its whole state: pure.

Pages, mails and the API say it from here alone, so that none promises what another denies.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.billing.statuses import OWING


class Situation(Protocol):
    """A subscription as stored, or as it is shown."""

    @property
    def status(self) -> str: ...
    @property
    def current_period_end(self) -> datetime: ...
    @property
    def cancel_at(self) -> datetime | None: ...
    @property
    def next_charge_at(self) -> datetime | None: ...
    @property
    def next_amount(self) -> int | None: ...
    @property
    def open_amount(self) -> int | None: ...


class Tried(Protocol):
    """A subscription that may have begun with a trial."""

    @property
    def status(self) -> str: ...
    @property
    def trial_end(self) -> datetime | None: ...


def lacks_card(one: Tried, until: datetime) -> bool:
    """Whether Stripe paused it since its trial ended without a way of paying, rather than somebody at a
    later time. `until` is the end of the access that it gave.
    """
    return one.status == "paused" and one.trial_end is not None and until <= one.trial_end


@dataclass(frozen=True)
class Outlook:
    """Amounts in minor units.

    `ends_at` is the scheduled end; None: it goes on. At `charges_at` Stripe charges `amount` (None: it
    can't say how much); None: nothing is charged by itself. `owed` is left of an invoice that couldn't
    be collected and that Stripe tries again to collect, also where an end is scheduled; once it is paid,
    reading is open until `paid_until`.
    """

    ends_at: datetime | None
    charges_at: datetime | None
    amount: int | None
    owed: int | None
    paid_until: datetime

    @property
    def is_free(self) -> bool:
        """It goes on, and nothing is charged for it."""
        return self.charges_at is not None and self.amount == 0


def outlook_of(one: Situation) -> Outlook:
    """What comes next, where the subscription isn't over."""
    ends = one.cancel_at
    charges_at = one.next_charge_at
    if charges_at is not None and ends is not None and ends <= charges_at:
        charges_at = None
    return Outlook(
        ends_at=ends,
        charges_at=charges_at,
        amount=one.next_amount if charges_at is not None else None,
        owed=one.open_amount if one.status in OWING else None,
        paid_until=min(one.current_period_end, ends) if ends else one.current_period_end,
    )
