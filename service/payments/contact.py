"""What this process knows of Stripe by its last answers: when it answered, and what time it is there."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


class Contact:
    """`key_refused` says why Stripe refuses our key; empty: it doesn't, or hasn't been asked.

    `monotonic` counts seconds and is set by nobody: the clocks are what is looked at here.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.key_refused = ""
        self._answered: float | None = None
        self._date: datetime | None = None

    def answered(self, headers: Mapping[str, str]) -> None:
        """Note an answer, with Stripe's own time of it where it says one (RFC 9110, 6.6.1)."""
        self.key_refused = ""
        self._answered = self._monotonic()
        said = next((value for name, value in headers.items() if name.lower() == "date"), "")
        try:
            self._date = parsedate_to_datetime(said).astimezone(UTC)
        except ValueError:
            self._date = None

    @property
    def age(self) -> timedelta | None:
        """Since the last answer; None: there was none."""
        if self._answered is None:
            return None
        return timedelta(seconds=self._monotonic() - self._answered)

    def ahead(self, now: datetime) -> timedelta | None:
        """How far our wall time is ahead of Stripe's; negative: behind. None: Stripe named no time."""
        if self._date is None or self.age is None:
            return None
        return now - (self._date + self.age)
