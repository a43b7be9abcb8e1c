"""How a list is asked for, by a page's form as by the API: filters, cursor and limit."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field

LONGEST_CURSOR = 1500
"""Longer than what the longest address comes to."""


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


EMPTY_IS_NONE = BeforeValidator(_none_if_empty)
"""A form sends its empty fields too: they are no filter."""


class ListQuery(BaseModel, extra="forbid"):
    """Paging. Lists with filters derive from it."""

    cursor: Annotated[Annotated[str, Field(max_length=LONGEST_CURSOR)] | None, EMPTY_IS_NONE] = None
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=100)] = 50

    @property
    def is_filtered(self) -> bool:
        """Whether the list may be only a part of all there is."""
        return bool(self._chosen().keys() - {"limit"})

    def address(self, path: str, **changed: str | None) -> str:
        """The list at `path` by the same filters, from its start unless `cursor` is among `changed`."""
        return address(path, **{**self._chosen(), **changed})

    def _chosen(self) -> dict[str, Any]:
        return self.model_dump(exclude={"cursor"}, exclude_defaults=True, by_alias=True)


AnyPage = Annotated[ListQuery, Query()]
"""What the address asks for, of a list without filters."""


def address(path: str, **fields: object) -> str:
    """`path` with those fields as its query that aren't empty."""
    chosen = {
        name: int(value) if isinstance(value, bool) else value
        for name, value in fields.items()
        if value
    }
    return f"{path}?{urlencode(chosen)}" if chosen else path
