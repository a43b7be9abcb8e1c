"""Every error that Pydantic has is told in sentences of ours."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from service.wrong_values import SENTENCES, field_of, said_of, sentence_of, told_of

ALL: dict[str, Any] = {each["type"]: each.get("example_context") for each in list_all_errors()}
OURS = {"value_error", "assertion_error"}
_TWO = re.compile(r"[A-Z][^.]*\. [A-Z][^{]*\.")
_NOT_SENT = {
    "arguments_type", "callable_type", "default_factory_not_called", "ellipsis_error", "frozen_field",
    "frozen_instance", "get_attribute_error", "is_instance_of", "is_subclass_of",
    "needs_python_object", "no_such_attribute", "recursion_depth_exceeded",
    "recursion_loop",
}  # fmt: skip
"""What no JSON, form or query leads to, or what is answered before its fields are looked at."""


@pytest.mark.parametrize("type_", sorted(ALL.keys() - OURS))
def test_an_error_says_what_happened_and_what_to_do(type_: str) -> None:
    context = ALL[type_] or {}
    raw = PydanticKnownError(type_, context or None).message()  # type: ignore[arg-type]
    error = {"type": type_, "msg": raw, "ctx": context}
    told = sentence_of(error)
    assert _TWO.fullmatch(told), told
    assert raw not in told
    assert "Input" not in told
    is_general = told.startswith("The value can't be used")
    assert is_general == (type_ in _NOT_SENT), "each that can be sent has its own"
    assert not said_of(error).endswith(".")


def test_the_table_has_nothing_that_pydantic_does_not_know() -> None:
    kinds = {"object", "list", "string", "bool", "int", "number", "date", "datetime", "time", "time_delta", "timezone", "url", "uuid"}  # fmt: skip
    assert SENTENCES.keys() - kinds <= ALL.keys()


def test_our_own_checks_speak_for_themselves() -> None:
    error = {"type": "value_error", "msg": "Value error, small letters only", "ctx": {}}
    assert sentence_of(error) == said_of(error) == "small letters only"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"type": "too_long", "ctx": {"max_length": 2}, "input": "abc"}, "must have at most 2 characters"),
        ({"type": "too_long", "ctx": {"max_length": 2}, "input": ["a"] * 3}, "takes at most 2"),
        ({"type": "too_short", "ctx": {"min_length": 1}, "input": ""}, "is empty"),
        ({"type": "value_error", "msg": "Value error, Expected UploadFile, received: <class 'str'>"}, "isn't a file"),
    ],
)  # fmt: skip
def test_a_text_has_characters_and_a_list_entries(error: dict[str, Any], said: str) -> None:
    assert said_of(error) == said


def test_what_is_empty_is_told_so() -> None:
    error = {"type": "string_too_short", "msg": "", "ctx": {"min_length": 1}}
    assert sentence_of(error) == "It is empty. Write something."


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^[A-Z]{3}$", "It must be three capital letters, such as EUR."),
        (r"^a{2}$", "Write it so that it fits the pattern ^a{2}$."),
    ],
)
def test_a_pattern_is_put_into_words_where_it_has_them(pattern: str, expected: str) -> None:
    error = {"type": "string_pattern_mismatch", "msg": "", "ctx": {"pattern": pattern}}
    assert sentence_of(error) == f"It isn't written as it must be. {expected}"


class Terms(BaseModel):
    custom: Annotated[str, AfterValidator(str.strip), Field(pattern="^https?://")] | Literal[""] = (
        ""
    )


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    terms: tuple[Terms, ...]


def test_a_field_is_named_without_the_kinds_that_it_could_have_been() -> None:
    with pytest.raises(ValidationError) as refused:
        Rules.model_validate({"terms": [{"custom": "zz"}], "odd[]": 1})
    told = told_of(refused.value.errors())
    assert [field_of(each) for each in told] == ["terms.0.custom", "odd[]"]


def test_a_value_that_can_only_be_empty_is_told_so() -> None:
    error = {"type": "literal_error", "loc": ("a",), "ctx": {"expected": "''"}}
    assert told_of([error]) == [error]
