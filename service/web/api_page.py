"""The HTTP API as a page: the OpenAPI document, written out on the server, with nothing to run."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from markupsafe import Markup, escape

from service.html.pages import render
from service.identity.declarations import PUBLIC
from service.web.pages import GET, PageRoute
from service.web.static_files import STYLESHEET

Schema = Mapping[str, Any]
router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PUBLIC = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Vary": "Accept-Encoding",
}
_CODE = re.compile(r"`([^`]+)`")
_LIMITS = {
    "minLength": "length from {}",
    "maxLength": "length up to {}",
    "minimum": "value from {}",
    "exclusiveMinimum": "value above {}",
    "maximum": "value up to {}",
    "minItems": "entries from {}",
    "maxItems": "entries up to {}",
    "maxProperties": "entries up to {}",
    "pattern": "matches {}",
    "default": "{} unless given",
}


@router.api_route("/docs", methods=GET, dependencies=[PUBLIC])
def show_api(request: Request) -> Response:
    """Operations by tag, then the objects that they take and give. Public.

    Not `async`: rendering takes tens of milliseconds, which other readers needn't wait for.
    """
    document = request.app.openapi()
    groups: dict[str, list[Schema]] = {}
    for path, item in document["paths"].items():
        for method, told in item.items():
            name = f"{method.upper()} {path}"
            groups.setdefault(told["tags"][0], []).append(
                {"name": name, "anchor": _anchor(name), **told}
            )
    response = render(
        request,
        "web/templates/api.html",
        info=document["info"],
        groups=groups,
        objects=document["components"]["schemas"],
        stylesheet=STYLESHEET.address,
        type_of=type_of,
        limits=lambda schema: ", ".join(_limits(schema)),
        prose=_prose,
    )
    response.headers.update(_PUBLIC)
    return response


@router.api_route("/openapi.json", methods=GET, dependencies=[PUBLIC])
def read_openapi(request: Request) -> Response:
    """The OpenAPI document. Public. Not `async`, as above: it is made at its first request."""
    return JSONResponse(request.app.openapi())


def type_of(schema: Schema) -> Markup:
    """The type in words; where it is an object of the document, a link to it."""
    match schema:
        case {"$ref": str(address)}:
            return Markup('<a href="#{0}">{0}</a>').format(address.rpartition("/")[2])
        case {"anyOf": variants}:
            return Markup(" or ").join(type_of(each) for each in variants)
        case {"enum": values}:
            return Markup(" or ").join(_literal(each) for each in values)
        case {"const": value}:
            return _literal(value)
        case {"type": "array", "items": entry}:
            return Markup("list of {}").format(type_of(entry))
        case {"additionalProperties": dict(value)}:
            return Markup("object, each value {}").format(type_of(value))
        case {"type": name, "format": form}:
            return Markup("{} ({})").format(name, form)
        case _:
            return escape(schema.get("type", "anything"))


def _literal(value: Any) -> Markup:
    return Markup("<code>{}</code>").format(json.dumps(value))


def _limits(schema: Schema) -> Iterator[str]:
    for key, words in _LIMITS.items():
        if key in schema:
            value = schema[key]
            yield words.format(value if key == "pattern" else json.dumps(value))
    for each in schema.get("anyOf", ()):
        yield from _limits(each)


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _prose(told: Schema) -> Markup:
    """The description, with what is between backticks as code."""
    text = str(escape(told.get("description", "")))
    return Markup(_CODE.sub(r"<code>\1</code>", text))  # noqa: S704 escaped above
