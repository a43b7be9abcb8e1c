"""A refusal names a field as its page does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from service import operators
from service.operators.frame.field_words import refusal_of, words_of
from service.running import RunningApp
from tests.databases import on_sqlite

OWN = {
    "csrf", "seen", "version", "sure", "key", "change", "kept", "next", "password_proof", "cursor", "limit",
    "done", "begun", "run", "held", "fix", "load", "try_out", "format", "crawler", "comments", "wanted",
    "customer", "gift", "link", "seat", "subscription", "registered", "anonymous", "price", "offers",
    "entries", "walls", "audiences", "shown", "meter_former", "left_at_most", "recovery_code", "code", "draft", "filters", "zone",
}  # fmt: skip
"""Hidden fields, buttons, boxes and the rows of a table: nobody types into them by a label of their own."""


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/admin/articles/ferry", {"loc": ("schedule", "free_hours"), "type": "int_parsing"},
         "Free for the first (hours): must be a whole number."),
        ("/admin/institutions", {"loc": ("body", "name"), "type": "string_too_long", "ctx": {"max_length": 200}},
         "Name: must have at most 200 characters."),
        ("/admin/readers", {"loc": ("query", "kind"), "type": "literal_error", "ctx": {"expected": "'owing' or 'lapsed'"}},
         "Kind: It is none of the values that can be chosen. Choose 'owing' or 'lapsed'."),
        ("/admin/offers/new", {"loc": ("body", "name", 3), "type": "too_long", "ctx": {"max_length": 2}},
         "Name shown to readers: takes at most 2."),
        ("/admin/readers", {"loc": ("query", "x" * 100), "type": "extra_forbidden"},
         f"X{'x' * 59}: There is no field of this name here. Omit it, or check its spelling."),
        ("/admin/rules", {"loc": (), "type": "value_error", "msg": "Value error, plans need a level"},
         "Plans need a level."),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence(path: str, error: dict[str, Any], said: str) -> None:
    assert refusal_of(path, [{"ctx": {}, **error}] * 2) == said


def fields(app: RunningApp) -> Iterator[tuple[str, str]]:
    """Each page's address with the names of what it can be sent."""
    for route in iter_route_contexts(list(app.routes)):
        if not (route.path or "").startswith("/admin"):
            continue
        found = [route.dependant]
        while found:
            each = found.pop()
            found += each.dependencies
            for param in (*each.body_params, *each.query_params):
                model = getattr(param.field_info.annotation, "model_fields", None)
                names = [f.alias or n for n, f in model.items()] if model else [param.alias]
                yield from ((route.path or "", name) for name in names)


@on_sqlite
def test_a_field_has_the_words_of_its_page(app: RunningApp) -> None:
    folder = Path(operators.__file__).parent
    sources = [
        *folder.rglob("*.html"),
        *folder.parent.glob("reports/*.py"),
        *folder.parent.glob("rules/*.py"),
        *folder.rglob("routes.py"),
    ]
    shown = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unknown = {
        (path, name)
        for path, name in fields(app)
        if name not in OWN and words_of(path, name) not in shown
    }
    assert not unknown


_FORM = re.compile(r'<form\b[^>]*?action="([^"]*)".*?</form>', re.DOTALL)
_FIELD = re.compile(r"<(?:input|select|textarea)\b[^>]*>")


def labelled() -> Iterator[tuple[str, str, str]]:
    """Each field with a label of its own in the pages' forms: the form's address, the field's name, and the label."""
    for path in (Path(operators.__file__).parent / "templates").glob("*.html"):
        template = path.read_text(encoding="utf-8")
        here = re.search(r'{% set here = "([^"]*)"', template)
        for form in _FORM.finditer(template):
            action = form[1].replace("{{ here }}", here[1] if here else "")
            labels = dict(re.findall(r'<label for="([^"]*)"[^>]*>(.*?)</label>', form[0]))
            for field in _FIELD.findall(form[0]):
                id_, name = (re.search(rf'\b{each}="([^"{{]+)"', field) for each in ("id", "name"))
                label = labels.get(id_[1], "") if id_ else ""
                if name and label and not label.startswith("{"):
                    yield action, name[1], label


def test_a_field_is_called_what_its_label_says() -> None:
    found = list(labelled())
    assert len(found) > 100
    other = [
        each for each in found if not each[2].casefold().startswith(words_of(*each[:2]).casefold())
    ]
    assert not other
