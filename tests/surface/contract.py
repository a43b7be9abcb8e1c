"""What programs rely on in `/v1`: read from an OpenAPI document, kept in contract.json, and compared.

A release may add paths, methods, statuses, fields of answers and fields that may be sent; it takes nothing away, changes
no type, and requires no more than before. Schemas are compared by what they are, whatever they are called: so one that
is split into `-Input` and `-Output` is the same contract.

`python -m tests.surface.write_contract` keeps the contract of this tree: once a release, and never to make a test pass.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("contract.json")
Json = Mapping[str, Any]
_SHAPE = ("type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")


def contract_of(document: Json) -> dict[str, Any]:
    """What of the document is compared: by `METHOD /path`, and the schemas by their names."""
    operations = {
        f"{method.upper()} {path}": {
            "sent": {
                f"{each['in']} {each['name']}": {"required": each.get("required", False), **_slim(each["schema"])}
                for each in operation.get("parameters", ())
            },
            "body": {
                "required": operation.get("requestBody", {}).get("required", False),
                "types": _types(operation.get("requestBody", {})),
            },
            "answers": {
                status: _types(answer) for status, answer in operation["responses"].items()
            },
        }
        for path, methods in document["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    }  # fmt: skip
    schemas = document["components"]["schemas"]
    return {
        "operations": operations,
        "schemas": {name: _slim(each) for name, each in schemas.items()},
    }


def _types(content: Json) -> dict[str, Any]:
    return {
        kind: _slim(each.get("schema", {})) for kind, each in content.get("content", {}).items()
    }


def _slim(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_slim(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: schema[name] for name in _SHAPE if name in schema}
    for name in ("items", *_ALTERNATIVES):
        if name in found:
            found[name] = _slim(found[name])
    if "properties" in found:
        found["properties"] = {name: _slim(each) for name, each in found["properties"].items()}
    return found


def broken(old: Json, new: Json) -> Iterator[str]:
    """What a program of the old contract would trip over."""
    for name, was in old["operations"].items():
        now = new["operations"].get(name)
        found = _sent(old, was, new, now) if now else iter(["gone"])
        yield from (f"{name}: {each}" for each in found)
        if now:
            yield from (f"{name}: {each}" for each in _answered(old, was, new, now))


def _sent(old: Json, was: Json, new: Json, now: Json) -> Iterator[str]:
    for name, field in now["sent"].items():
        if field["required"] and not was["sent"].get(name, {}).get("required"):
            yield f"{name} is required"
    for name, field in was["sent"].items():
        if name in now["sent"]:
            yield from _narrower(_fields(old, field), _fields(new, now["sent"][name]), name)
        else:
            yield f"{name} gone"
    if now["body"]["required"] and not was["body"]["required"]:
        yield "a body is required"
    for kind, schema in was["body"]["types"].items():
        taken = _fields(new, now["body"]["types"].get(kind))
        yield from _narrower(_fields(old, schema), taken, kind)


def _answered(old: Json, was: Json, new: Json, now: Json) -> Iterator[str]:
    for status, kinds in was["answers"].items():
        if status not in now["answers"]:
            yield f"{status} gone"
            continue
        for kind, schema in kinds.items():
            given = _fields(new, now["answers"][status].get(kind))
            yield from _other(_fields(old, schema), given, status)


Fields = dict[str, tuple[set[str], bool]]
"""By its place, such as `.items[].slug`: a field's types, and whether it is always there."""


def _fields(contract: Json, schema: Json | None) -> Fields:
    found: Fields = {}
    if schema is not None:
        _collect(contract["schemas"], schema, "", (), found)
    return found


def _collect(
    schemas: Json, schema: Json, place: str, within: tuple[str, ...], found: Fields, *, always: bool = True
) -> None:  # fmt: skip
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in within:
            _collect(schemas, schemas[name], place, (*within, name), found, always=always)
        return
    alternatives = [each for key in _ALTERNATIVES for each in schema.get(key, ())]
    for each in alternatives:
        _collect(schemas, each, place, within, found, always=always)
    if alternatives:
        return
    types, was_always = found.get(place, (set(), always))
    found[place] = (types | {schema.get("type", "anything")}, was_always and always)
    for key, each in schema.get("properties", {}).items():
        required = key in schema.get("required", ())
        _collect(schemas, each, f"{place}.{key}", within, found, always=required)
    if isinstance(schema.get("items"), dict):
        _collect(schemas, schema["items"], f"{place}[]", within, found)


def _narrower(was: Fields, now: Fields, where: str) -> Iterator[str]:
    """What is sent: every field and type is taken as before, and no more is asked for."""
    for place, (types, _) in was.items():
        if place not in now:
            yield f"{where}{place} isn't taken"
        elif missing := types - now[place][0] - {"integer" if "number" in now[place][0] else ""}:
            yield f"{where}{place} isn't taken as {', '.join(sorted(missing))}"
    for place, (_, required) in now.items():
        parent = place.removesuffix("[]").rpartition(".")[0] if "." in place else ""
        if required and place and parent in was and not was.get(place, (set(), False))[1]:
            yield f"{where}{place} is required"


def _other(was: Fields, now: Fields, where: str) -> Iterator[str]:
    """What is answered: every field is there as before, and of no other type."""
    for place, (types, always) in was.items():
        if place not in now:
            yield f"{where}{place} gone"
        elif more := now[place][0] - types:
            yield f"{where}{place} may be {', '.join(sorted(more))}"
        elif always and not now[place][1]:
            yield f"{where}{place} may be absent"


def written(contract: Json) -> str:
    """As it is kept: a line for each operation and schema."""
    parts = []
    for part, of in contract.items():
        lines = [f"{json.dumps(key)}: {_line(of[key])}" for key in sorted(of)]
        parts.append(f"{json.dumps(part)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
