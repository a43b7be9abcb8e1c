"""When Stripe accepts calls and never answers: after two in a row the others needn't wait."""

from collections.abc import Callable

_MOST = 2
_PAUSE_SECONDS = 5.0
_MOST_OF = 0.8
"""A call that waited so much of its time without an answer was met by silence."""


class Silence:
    """Refuses calls while Stripe is silent, and lets one through every 5 s to look.

    `patience` is how long one call may take; `monotonic` counts seconds. With a patience of 5 s it
    begins within 10 s. Calls that fail at once cost nobody time, and aren't counted.
    """

    def __init__(self, patience: float, monotonic: Callable[[], float]) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._in_a_row = 0
        self._looks_at = 0.0

    def refuses(self) -> bool:
        """Whether this call had better not be made."""
        if self._in_a_row < _MOST:
            return False
        now = self._monotonic()
        if now < self._looks_at:
            return True
        self._looks_at = now + _PAUSE_SECONDS  # this one looks; the others are refused meanwhile
        return False

    def heard(self) -> None:
        """Stripe has answered, whatever it said."""
        self._in_a_row = 0

    def unheard(self, waited: float) -> None:
        """A call ended without an answer after `waited` seconds."""
        if waited < self._patience * _MOST_OF:
            return
        self._in_a_row += 1
        self._looks_at = self._monotonic() + _PAUSE_SECONDS
