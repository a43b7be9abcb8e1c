"""docs/settings.md: every setting is there once, as the code has it; and the events of stripe.md."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.billing.events import HANDLED
from service.settings import DEVELOPMENT_SECRET, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `PAYWALL_.*$", re.MULTILINE)


def test_every_setting_is_listed_once_as_the_code_has_it() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))

    assert sorted(rows) == sorted(
        row_of(name, field) for name, field in Settings.model_fields.items()
    )


def test_no_other_variable_is_named_in_any_document() -> None:
    known = {f"PAYWALL_{name.upper()}" for name in Settings.model_fields}
    # Made up by the documents themselves: recipes that verify tokens elsewhere.
    known |= {"PAYWALL_ISSUER", "PAYWALL_AUDIENCE"}

    named = {
        variable
        for page in [*PAGE.parent.rglob("*.md"), PAGE.parents[1] / "README.md"]
        for variable in re.findall(r"PAYWALL_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))
    }
    assert named <= known


def test_the_events_to_send_are_those_that_are_handled() -> None:
    text = (PAGE.parent / "stripe.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert sorted(block[1].split()) == sorted(HANDLED)


def row_of(name: str, field: FieldInfo) -> str:
    """The setting's line in the document."""
    cells = [f"`PAYWALL_{name.upper()}`", _takes(field), _default(field.default), field.description]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    match value:
        case None | "":
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{json.dumps(value)}`"
        case dict():
            return "`{}`"
        case float():
            return f"`{value:g}`"
        case _:
            return "one for development" if value == DEVELOPMENT_SECRET else f"`{value}`"


def _takes(field: FieldInfo) -> str:
    kind: Any = field.annotation
    optional = get_origin(kind) is UnionType
    if optional:
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if get_origin(kind) is tuple:
        return "list"
    if get_origin(kind) is Mapping:
        return "object"
    if kind in {int, float}:
        return _range(field.metadata) + (", `null`" if optional else "")
    longest = _limit(field.metadata, "max_length")
    return "text" if longest is None else f"text, at most {longest} characters"


def _range(metadata: Iterable[Any]) -> str:
    above = _limit(metadata, "gt")
    least = f"{_limit(metadata, 'ge')} to" if above is None else f"more than {above}, at most"
    return f"{least} {_limit(metadata, 'le')}"


def _limit(metadata: Iterable[Any], name: str) -> Any:
    return next((getattr(each, name) for each in metadata if hasattr(each, name)), None)
