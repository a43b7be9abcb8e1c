"""What one subscription of a multitude went through, and what there is to buy."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.demo.multitude_money import Payment

_ENDING_OF, _STAYING_OF, _ASKED_BEFORE = 30, 50, 10
"""One subscription in 30 is scheduled to end, and one in 50 was; and how many days ago that was asked for."""
_TRIED = 14
"""Days until a subscription that isn't paid for ends."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Bought:
    """One subscription: it begins, may end or be renewed, and belongs to the reader of this number."""

    number: int
    reader: int
    offer: int
    since: datetime
    paid_from: datetime
    """Later than `since` after a trial."""
    until: datetime | None
    by_choice: bool
    renewals: tuple[datetime, ...]
    failed: datetime | None

    @property
    def id(self) -> str:
        return f"sub_{self.number:024x}"

    @property
    def declines(self) -> int:
        """How many charges of the renewal failed, two days apart, until one succeeds."""
        return 1 + self.number % 3

    @property
    def recovered(self) -> datetime | None:
        return self.failed + 2 * self.declines * _DAY if self.failed is not None else None

    @property
    def is_ending(self) -> bool:
        """Whether it is active, and scheduled to end with what is paid."""
        return self.until is None and self.number % _ENDING_OF == 0

    def asked_to_end(self, now: datetime) -> datetime | None:
        """When the reader asked for it; some took it back two days later."""
        if self.until is not None:
            before = min(_ASKED_BEFORE * _DAY, (self.until - self.paid_from) / 2)
            return self.until - before if self.by_choice else None
        if self.is_ending or self.number % _STAYING_OF == 1:
            return max(now - _ASKED_BEFORE * _DAY, self.since)
        return None

    def payments(self, now: datetime) -> Iterator[Payment]:
        """Its invoices: the first unless there was a trial, each renewal, and the one that was lost."""
        dues = [*enumerate(self.renewals)]
        if self.paid_from == self.since:
            dues.insert(0, (-1, self.since))
        for n, at in dues:
            declines, paid_at = 0, at
            if at == self.failed and self.recovered is not None:
                declines = min(self.declines, (now - at) // (2 * _DAY) + 1)
                paid_at = self.recovered
            yield self._payment(n, at, declines, paid_at if paid_at < now else None, None)
        if self.until is not None and not self.by_choice:
            at = max(self.until - _TRIED * _DAY, self.paid_from)
            tries = (self.until - at) // (2 * _DAY) + 1
            yield self._payment(len(self.renewals), at, tries, None, self.until)

    def _payment(
        self, n: int, at: datetime, declines: int, paid: datetime | None, lost: datetime | None
    ) -> Payment:
        offer, _, _, currency, amount = OFFERS[self.offer]
        return Payment(
            f"{self.number:x}_{n}" if n >= 0 else f"{self.number:x}_first", self.id, offer, amount,
            currency, at, n < 0, declines, paid, lost,
            (self.number * 1_000 + n + 1) * 0x9E3779B97F4A7C15 % 2**64 >> 20,
        )  # fmt: skip


OFFERS = tuple(
    (f"off_{n:024x}", plan, interval, currency, amount)
    for n, (plan, interval, currency, amount) in enumerate(
        (plan, interval, currency, amount * (10 if interval == "year" else 1))
        for plan, amount in (("digital", 990), ("weekend", 1490))
        for interval in ("month", "year")
        for currency in ("EUR", "CHF")
    )
)
WEIGHTS = (30, 4, 36, 4, 11, 2, 11, 2)
PERIODS = {"month": 30, "year": 365}
