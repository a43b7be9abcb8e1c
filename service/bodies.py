"""What JSON bodies have in common."""

from collections.abc import Sequence
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")
Shown_co = TypeVar("Shown_co", covariant=True)


class Body(BaseModel):
    """A body as a caller sends it: unknown fields are refused, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageOf(Protocol[Shown_co]):
    """A page of a list (db/keyset.py)."""

    @property
    def items(self) -> Sequence[Shown_co]: ...
    @property
    def next_cursor(self) -> str | None: ...


class ListOut(BaseModel, Generic[Item]):
    """A page of a list as it is answered."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def of(cls, page: PageOf[Item]) -> Self:
        return cls(items=list(page.items), next_cursor=page.next_cursor)
