"""What becomes of one POST to an endpoint."""

from dataclasses import dataclass


class NoAnswer(Exception):
    """The endpoint couldn't be reached, or gave no answer in time; the text says which."""


@dataclass(frozen=True)
class Answer:
    """What the endpoint said: its status, and the beginning of its text in one line."""

    status: int
    excerpt: str
