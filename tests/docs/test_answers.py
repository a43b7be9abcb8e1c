"""The answers that docs/api.md shows are such as the service gives: each member, and no other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from service.access.schemas import AccessOut, UnlockOut, WalledProblem
from service.account.schemas import Profile, SignedInOut, SignInOut
from service.checkout.schemas import CheckoutOut
from service.content.schemas import Teaser

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BLOCKS = re.findall(
    r"^<!-- answer: (\w+) -->\n```json\n(.*?)^```$",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
ANSWERS: tuple[type[BaseModel], ...] = (
    Teaser, AccessOut, UnlockOut, WalledProblem, CheckoutOut, SignInOut, SignedInOut, Profile,
)  # fmt: skip
OMITTED = {"Teaser": {"body_html"}}
"""Of free articles only."""


def members(value: Any) -> Any:
    """What a document has, without its values."""
    if isinstance(value, dict):
        return {name: members(each) for name, each in value.items()}
    return [members(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_an_answer_is_shown_as_it_is_given(name: str, text: str) -> None:
    (model,) = (each for each in ANSWERS if each.__name__ == name)
    shown = json.loads(text)
    given = model.model_validate_json(text).model_dump(mode="json", exclude=OMITTED.get(name))
    assert members(shown) == members(given)


def test_every_answer_is_shown() -> None:
    assert sorted(name for name, _ in BLOCKS) == sorted(each.__name__ for each in ANSWERS)
