"""What JSON bodies have in common."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, Protocol, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticKnownError

from service.texts import identifier, one_line, storable, without_signs

TYPED: Final = "typed"
"""The validation context of a form: what was typed there is text, numbers too."""
Item = TypeVar("Item")
Shown_co = TypeVar("Shown_co", covariant=True)


class Body(BaseModel):
    """A body as a caller sends it: unknown fields are refused, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_number(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, bool | float) or (isinstance(value, str) and info.context != TYPED):
        raise PydanticKnownError("int_type")
    return value


WholeNumber = Annotated[int, BeforeValidator(_is_number)]
"""A whole number in a body: pydantic alone takes `true` for 1, and "3" and 3.0 for 3."""


Identifier = Annotated[str, AfterValidator(identifier)]
"""A name by which something is found again: a reference, an id, an address."""
OneLine = Annotated[str, AfterValidator(storable), AfterValidator(one_line)]
"""A title, a label, a person's name."""
Paragraphs = Annotated[str, AfterValidator(storable), AfterValidator(without_signs)]


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
