"""What is wrong with a value that was sent, in sentences: Pydantic's own name its types and not what to do.

One table, for the API, the forms of the back office, imports and commands. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

_NO_FILE = "Value error, Expected UploadFile"
"""Of FastAPI, in the words of programmers."""
_OURS = frozenset({"value_error", "assertion_error"})
"""Their words are those of the check that failed."""
SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing": ("It is missing", "Send it"),
    "extra_forbidden": ("There is no field of this name here", "Omit it, or check its spelling"),
    "none_required": ("Nothing can be set here", "Send null"),
    # whole values
    "json_invalid": ("It isn't JSON: {error}", "Correct it there"),
    "model_attributes_type": ("It isn't a JSON object", "Send an object with the fields that the API's document names"),
    "object": ("It isn't a JSON object", "Send an object"),
    "list": ("It isn't a list", "Send a JSON array"),
    "string": ("It isn't a text", "Send a JSON string in valid Unicode"),
    "bool": ("It is neither true nor false", "Send one of the two"),
    "int": ("It isn't a whole number", "Send one without a fraction and without quotation marks, such as 3"),
    "int_parsing_size": ("The number is too large", "Send a smaller one"),
    "number": ("It isn't a number", "Send one such as 0.5"),
    "date": ("It isn't a day of the calendar", "Write it as 2026-03-10"),
    "datetime": ("It isn't an instant", "Write it as 2026-03-10T09:00:00Z"),
    "time": ("It isn't a time of day", "Write it as 09:00:00"),
    "time_delta": ("It isn't a length of time", "Write it as PT15M"),
    "timezone": ("The instant has no offset, or another one than is needed", "Write it with Z, as in 2026-03-10T09:00:00Z"),
    "date_past": ("The day lies ahead", "Choose an earlier one"),
    "date_future": ("The day is over", "Choose a later one"),
    "datetime_past": ("The instant lies ahead", "Choose an earlier one"),
    "datetime_future": ("The instant is over", "Choose a later one"),
    "url": ("It isn't an address that can be opened", "Write it as https://news.example.org/"),
    "uuid": ("It isn't a UUID", "Write it as 8-4-4-4-12 hexadecimal digits"),
    # bounds
    "greater_than": ("It is too small", "Send more than {gt}"),
    "greater_than_equal": ("It is too small", "Send at least {ge}"),
    "less_than": ("It is too large", "Send less than {lt}"),
    "less_than_equal": ("It is too large", "Send at most {le}"),
    "multiple_of": ("It isn't a multiple of {multiple_of}", "Send one"),
    "decimal_max_digits": ("It has too many digits", "Send at most {max_digits}"),
    "decimal_max_places": ("It has too many digits after the point", "Send at most {decimal_places}"),
    "decimal_whole_digits": ("It has too many digits before the point", "Send at most {whole_digits}"),
    "too_short": ("It has too few entries", "Send at least {min_length}"),
    "too_long": ("It has too many entries", "Send at most {max_length}"),
    "string_too_short": ("It is too short", "Write at least {min_length} characters"),
    "string_too_long": ("It is too long", "Write at most {max_length} characters"),
    "bytes_too_short": ("It is too short", "Send at least {min_length} bytes"),
    "bytes_too_long": ("It is too long", "Send at most {max_length} bytes"),
    "url_too_long": ("The address is too long", "Write at most {max_length} characters"),
    "url_scheme": ("The address begins with something else than it can", "Begin it with {expected_schemes}"),
    # choices
    "literal_error": ("It is none of the values that can be chosen", "Choose {expected}"),
    "enum": ("It is none of the values that can be chosen", "Choose {expected}"),
    "union_tag_invalid": ("There is no {discriminator} of this name", "Choose {expected_tags}"),
    "union_tag_not_found": ("What kind it is, isn't said", "Send {discriminator} with it"),
    "string_pattern_mismatch": ("It isn't written as it must be", "Write it so that it fits the pattern {pattern}"),
}  # fmt: skip
"""What happened, and what to do next, by Pydantic's type of error or one of the names in `_KINDS`."""
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("model_", "dataclass_", "named_tuple_", "dict_", "mapping_", "frozen_dict_", "ordered_dict_", "counter_", "invalid_key"), "object"),
    (("list_", "tuple_", "set_", "frozen_set_", "deque_", "iterable_", "iteration_"), "list"),
    (("string_", "bytes_", "json_type"), "string"),
    (("bool_",), "bool"),
    (("int_",), "int"),
    (("float_", "finite_", "decimal_", "fraction_", "complex_"), "number"),
    (("date_",), "date"),
    (("datetime_",), "datetime"),
    (("timezone_",), "timezone"),
    (("time_delta_",), "time_delta"),
    (("time_",), "time"),
    (("url_",), "url"),
    (("uuid_",), "uuid"),
    (("missing_",), "missing"),
    (("unexpected_", "multiple_argument"), "extra_forbidden"),
)  # fmt: skip
"""How the types of one kind begin, for those that have no sentence of their own."""
_ELSE = ("The value can't be used", "Compare it with the API's document")


def told_of(errors: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of Pydantic's errors that help: without the ones that say that a value isn't empty, which it could be."""
    found = list(errors)
    return [each for each in found if not _wants_it_empty(each)] or found


def _wants_it_empty(error: Mapping[str, Any]) -> bool:
    return (error["type"], error.get("ctx")) == ("literal_error", {"expected": "''"})


def field_of(error: Mapping[str, Any]) -> str:
    """Where the value was, such as body.prompts.0.title: without what Pydantic calls the kinds that it could have been."""
    *within, last = error["loc"]
    is_named = error["type"] == "extra_forbidden" or not _is_kind(last)
    return ".".join(
        map(str, [*(each for each in within if not _is_kind(each)), *([last] * is_named)])
    )


def _is_kind(part: object) -> bool:
    """Whether it is a validator: names of fields have no brackets, unless somebody sent one that there isn't."""
    return isinstance(part, str) and "[" in part


def sentence_of(error: Mapping[str, Any]) -> str:
    """What one of Pydantic's errors says to somebody who sent the value: what happened, and what to do next."""
    if error["type"] in _OURS:
        return _of_ours(error)
    bounds, type_ = error.get("ctx", {}), _type_of(error)
    happened, remedy = SENTENCES.get(type_) or SENTENCES.get(_kind(type_), _ELSE)
    if type_ == "string_pattern_mismatch" and bounds["pattern"] in _WRITTEN:
        return f"{happened}. It {_WRITTEN[bounds['pattern']]}."
    if type_ == "string_too_short" and bounds["min_length"] == 1:
        return "It is empty. Write something."
    return f"{happened}. {remedy}.".format_map(bounds)


def said_of(error: Mapping[str, Any]) -> str:
    """The same to a person who filled in a form, after the field's name: a clause without its full stop."""
    if error["type"] in _OURS:
        return _of_ours(error)
    return own_words(error) or sentence_of(error).removesuffix(".")


def _of_ours(error: Mapping[str, Any]) -> str:
    if str(error["msg"]).startswith(_NO_FILE):
        return "isn't a file"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _type_of(error: Mapping[str, Any]) -> str:
    """Behind a check of ours Pydantic counts a text as if it were a list."""
    type_: str = error["type"]
    is_text = type_ in {"too_short", "too_long"} and isinstance(error.get("input"), str)
    return f"string_{type_}" if is_text else type_


def _kind(type_: str) -> str:
    return next((kind for begins, kind in _KINDS if type_.startswith(begins)), "")


def own_words(error: Mapping[str, Any]) -> str:
    """A clause for what a form is often refused for; empty for the rest."""
    bounds = error.get("ctx", {})
    match _type_of(error):
        case "string_pattern_mismatch":
            return _WRITTEN.get(bounds["pattern"], "isn't written like this")
        case "too_short" if bounds["min_length"] == 1:
            return "needs at least one"
        case "too_short":
            return f"needs at least {bounds['min_length']}, not {bounds['actual_length']}"
        case "too_long":
            return f"takes at most {bounds['max_length']}"
        case "string_too_short":
            return (
                "is empty"
                if bounds["min_length"] == 1
                else f"must have at least {bounds['min_length']} characters"
            )
        case "string_too_long":
            return f"must have at most {bounds['max_length']} characters"
        case "greater_than_equal":
            return f"must be at least {bounds['ge']}"
        case "less_than_equal":
            return f"must be at most {bounds['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be a whole number"
        case _:
            return ""


_CURRENCY = "must be three capital letters, such as EUR"
_ID = "must be an id as answers and lists have it"
_WRITTEN = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "must have small letters, digits and single hyphens, such as digital",
    r"^[A-Z]{3}$": _CURRENCY,
    r"^([A-Z]{3})?$": _CURRENCY,
    r"^([0-9]{1,9}(\.[0-9]{1,6})?)?$": "must be a number, such as 0.015",
    r"^https?://[^\s<>\"]+$": "must begin with https:// or http://",
    r"^[A-Za-z]{3}$": _CURRENCY,
    r"^[a-z0-9_]+$": _ID,
    r"^[a-z0-9]+$": _ID,
    r"^[A-Za-z0-9_]+$": _ID,
    r"^cus_[A-Za-z0-9_]+$": "must be the id of a customer at Stripe, which begins with cus_",
    r"^[A-Za-z0-9_-]+$": "must have letters without accents, digits, hyphens and underscores",
    r"^[A-Za-z0-9._-]+$": "must have letters without accents, digits, points, hyphens and underscores",
    r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$": "must have letters without accents, digits and single hyphens",
    r"^[A-Za-z_-]{3,60}$": "must have 3 to 60 letters without accents, hyphens and underscores",
    r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$": "must be a language's tag, such as en or pt-BR",
    r"^[^@\s]+@[^@\s]+$": "must be an e-mail address, such as ana@example.org",
    r"^([a-z0-9-]{1,63}\.)+[a-z]{2,63}$": "must be a host's name in small letters, such as bot.example.org",
    r"^\S{1,60}$": "must have 1 to 60 characters and no space",
}
"""How what an expression asks for is written."""
