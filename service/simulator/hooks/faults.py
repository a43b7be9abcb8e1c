"""Faults on request: answers that fail, come late or get lost on their way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from service.simulator.protocol.errors import StripeError, invalid_parameter

Kind = Literal["lose_answer", "500", "429", "slow"]
_KINDS: tuple[Kind, ...] = ("lose_answer", "500", "429", "slow")
_MOST, _LONGEST = 1_000, 60.0


@dataclass(frozen=True)
class Fault:
    """What the next `left` requests meet that `match` fits: `POST /v1/checkout/sessions`.

    `500` and `429` refuse without doing anything; `lose_answer` does it and closes the connection;
    `slow` does it and answers `seconds` later.
    """

    kind: Kind
    match: str = "*"
    left: int = 1
    seconds: float = 5.0

    def refusal(self) -> StripeError | None:
        """How the request is refused; None where it is served."""
        if self.kind == "500":
            return StripeError(500, "An error on the local Stripe, as asked for.", kind="api_error")
        if self.kind == "429":
            return StripeError(429, "Too many requests, as asked for.", code="rate_limit")
        return None


def read_fault(entries: Mapping[str, Any]) -> Fault | None:
    """The fault that a JSON object describes; None where it is empty, which takes all back.

    Raises:
        StripeError: 400, an entry is unknown or isn't what it has to be.
    """
    if not entries:
        return None
    for name in entries:
        if name not in ("kind", "match", "next", "seconds"):
            raise invalid_parameter(name, "Send only kind, match, next and seconds.")
    kind = next((known for known in _KINDS if known == entries.get("kind")), None)
    if kind is None:
        raise invalid_parameter("kind", f"kind must be one of {', '.join(_KINDS)}.")
    match = entries.get("match", "*")
    if not isinstance(match, str):
        raise invalid_parameter("match", "Send match like `POST /v1/checkout/sessions`.")
    count = entries.get("next", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST:
        raise invalid_parameter("next", f"next must be a whole number from 1 to {_MOST}.")
    seconds = entries.get("seconds", 5.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise invalid_parameter("seconds", "seconds must be a number.")
    if not 0 <= seconds <= _LONGEST:
        raise invalid_parameter("seconds", f"seconds must be from 0 to {_LONGEST:.0f}.")
    return Fault(kind, match, count, float(seconds))


class Faults:
    """The faults that wait for requests, oldest first."""

    def __init__(self) -> None:
        """None at the start."""
        self.waiting: list[Fault] = []

    def add(self, fault: Fault | None) -> None:
        """Add a fault; None takes all back."""
        if fault is None:
            self.waiting.clear()
        else:
            self.waiting.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets; it is used up by that."""
        for index, fault in enumerate(self.waiting):
            if fnmatchcase(f"{method} {path}", fault.match):
                if fault.left > 1:
                    self.waiting[index] = replace(fault, left=fault.left - 1)
                else:
                    del self.waiting[index]
                return fault
        return None
