"""What JSON bodies have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, Protocol, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticKnownError

from service.currencies import known_currency
from service.texts import identifier, one_line, plain_name, storable, without_signs

TYPED: Final = "typed"
"""The validation context of a form: what was typed there is text, numbers too."""
STORED: Final = "stored"
"""The validation context of what is read from the database."""
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


def _unless_stored(rule: Callable[[str], str]) -> AfterValidator:
    """By `rule`, but for what an earlier release stored: one such text would make all that is beside it unreadable."""

    def ruled(value: str, info: ValidationInfo) -> str:
        return value if info.context == STORED else rule(value)

    return AfterValidator(ruled)


Identifier = Annotated[str, _unless_stored(identifier)]
"""A name by which something is found again: a reference, an id, an address."""
OneLine = Annotated[str, AfterValidator(storable), _unless_stored(one_line)]
"""A title, a label, a person's name."""
PlainName = Annotated[str, AfterValidator(storable), _unless_stored(plain_name)]
"""A section, a tag or another name that readers see and that is compared."""
Paragraphs = Annotated[str, AfterValidator(storable), _unless_stored(without_signs)]
Currency = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$", examples=["CHF"]), _unless_stored(known_currency)
]
"""ISO 4217."""


def is_read_whole(model: type[BaseModel], document: Mapping[str, Any]) -> bool:
    """Whether this release knows everything of a document that a row has: what it doesn't, it would drop."""
    try:
        model.model_validate(document, extra="forbid", context=STORED)
    except ValidationError:
        return False
    return True


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
