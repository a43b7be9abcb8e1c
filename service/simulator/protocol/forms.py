"""Stripe's request encoding: `items[0][price]=…` becomes `{"items": [{"price": …}]}`."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.simulator.protocol.errors import (
    StripeError,
    invalid_parameter,
    missing_parameter,
)

_NUMBER = re.compile(r"[0-9]{1,9}")
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_CURRENCY = re.compile(r"[a-z]{3}")
LARGEST_AMOUNT = 99_999_999  # in minor units, as at Stripe
_METADATA_KEYS, _METADATA_KEY, _METADATA_VALUE = 50, 40, 500
_PART = re.compile(r"\[([^\]]*)\]")


def decode(encoded: str) -> dict[str, Any]:
    """Decode a form body or query string. Values are strings, lists or dicts.

    Raises:
        StripeError: a key is both a value and a container (`a=1&a[b]=2`).
    """
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        head, bracket, _ = key.partition("[")
        parts = [head, *_PART.findall(key[len(head) :])] if bracket else [key]
        _insert(tree, parts, value, key)
    return {key: _listed(key, value) for key, value in tree.items()}


def _insert(tree: dict[str, Any], parts: list[str], value: str, key: str) -> None:
    node = tree
    for part in parts[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise invalid_parameter(key, f"Invalid request: {key} is given twice.")
    last = parts[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise invalid_parameter(key, f"Invalid request: {key} is given twice.")
    node[last] = value


def _listed(name: str, value: Any) -> Any:
    """Turn `{"0": a, "1": b}` into `[a, b]`, except in metadata, whose keys may be numbers."""
    if not isinstance(value, dict):
        return value
    if name == "metadata":
        return value
    children = {key: _listed(key, child) for key, child in value.items()}
    if children and all(_NUMBER.fullmatch(key) for key in children):
        return [children[key] for key in sorted(children, key=int)]
    return children


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port, half an IPv6 address
        return False


def _refuse_long_metadata(param: str, key: str, value: str) -> None:
    for what, text, most in (("key", key, _METADATA_KEY), ("value", value, _METADATA_VALUE)):
        if len(text) > most:
            raise invalid_parameter(
                param,
                f"Metadata {what}s can have up to {most} characters, but you passed in a {what} "
                f"that is {len(text)} characters. Invalid {what}: {text}",
            )


class Params:
    """Decoded parameters with readers that refuse in Stripe's manner.

    An empty string means "unset" throughout, as in Stripe's API; `sent()` tells it from absence.
    """

    def __init__(self, values: dict[str, Any], prefix: str = "") -> None:
        """`prefix` is where these values are in the request, for error messages."""
        self.values = values
        self._prefix = prefix

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def name(self, key: str) -> str:
        """The parameter's full name: `line_items[0][price]`."""
        return f"{self._prefix}[{key}]" if self._prefix else key

    def sent(self, key: str) -> bool:
        """Whether the parameter was in the request, be it empty."""
        return key in self.values

    def text(self, key: str) -> str | None:
        """A string, or None where absent or empty."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid_parameter(self.name(key), f"Invalid string: {self.name(key)}.")
        return value

    def required(self, key: str) -> str:
        """A string that has to be there."""
        value = self.text(key)
        if value is None:
            raise missing_parameter(self.name(key))
        return value

    def address(self, key: str) -> str | None:
        """An absolute http(s) URL, or None where absent or empty."""
        value = self.text(key)
        if value is not None and not _is_address(value):
            raise invalid_parameter(
                self.name(key),
                f"Not a valid URL: {value} (an explicit scheme, such as https, is needed)",
                "url_invalid",
            )
        return value

    def integer(self, key: str) -> int | None:
        """An integer, or None where absent or empty."""
        value = self.text(key)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise invalid_parameter(
                self.name(key), f"Invalid integer: {value}", "parameter_invalid_integer"
            )
        return int(value)

    def currency(self) -> str:
        """The required `currency`: three letters, in lower case as Stripe answers them."""
        value = self.required("currency").lower()
        if not _CURRENCY.fullmatch(value):
            raise invalid_parameter(
                self.name("currency"), f"Invalid currency: {value}. Send its three letters."
            )
        return value

    def boolean(self, key: str) -> bool | None:
        """`true` or `false`, or None where absent or empty."""
        value = self.text(key)
        if value is None:
            return None
        if value not in ("true", "false"):
            raise invalid_parameter(self.name(key), f"Invalid boolean: {value}")
        return value == "true"

    def choice(self, key: str, options: tuple[str, ...]) -> str | None:
        """One of `options`, or None where absent."""
        value = self.text(key)
        if value is not None and value not in options:
            raise invalid_parameter(
                self.name(key), f"Invalid {self.name(key)}: must be one of {', '.join(options)}"
            )
        return value

    def group(self, key: str) -> "Params":
        """Nested parameters; empty where absent."""
        value = self.values.get(key)
        if value is None or value == "":
            value = {}
        if not isinstance(value, dict):
            raise invalid_parameter(self.name(key), f"Invalid object: {self.name(key)}.")
        return Params(value, self.name(key))

    def rows(self, key: str) -> list["Params"]:
        """A list of nested parameters; empty where absent."""
        value = self.values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise invalid_parameter(self.name(key), f"Invalid array: {self.name(key)}.")
        return [Params(row, f"{self.name(key)}[{n}]") for n, row in enumerate(value)]

    def texts(self, key: str) -> list[str]:
        """A list of strings; empty where absent."""
        value = self.values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(row, str) for row in value):
            raise invalid_parameter(self.name(key), f"Invalid array: {self.name(key)}.")
        return list(value)

    def choices(self, key: str, options: tuple[str, ...]) -> list[str]:
        """Some of `options`; none where absent or empty."""
        values = self.texts(key)
        for value in values:
            if value not in options:
                raise invalid_parameter(
                    self.name(key), f"Invalid {self.name(key)}: must be of {', '.join(options)}"
                )
        return values

    def metadata(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """Metadata merged over `before`; an empty value removes its key, an empty map all."""
        if self.values.get("metadata") == "":
            return {}
        merged = dict(before or {})
        name = self.name("metadata")
        for key, value in self.group("metadata").values.items():
            if not isinstance(value, str):
                raise invalid_parameter(name, "Metadata values must be strings.")
            _refuse_long_metadata(name, key, value)
            if value == "":
                merged.pop(key, None)
            else:
                merged[key] = value
        if len(merged) > _METADATA_KEYS:
            raise invalid_parameter(
                name,
                f"Metadata can have up to {_METADATA_KEYS} keys, but you've set {len(merged)}.",
            )
        return merged

    def refuse_unknown(self, known: frozenset[str]) -> None:
        """Refuse parameters outside `known`, as Stripe does.

        Raises:
            StripeError: 400 parameter_unknown, naming the first one.
        """
        for key in self.values:
            if key not in known:
                name = self.name(key)
                raise StripeError(
                    400,
                    f"Received unknown parameter: {name} (or one that the local Stripe does not "
                    "simulate)",
                    code="parameter_unknown",
                    param=name,
                )
