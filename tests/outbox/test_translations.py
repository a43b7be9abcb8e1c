"""Every language says everything that the templates say, with the same values in it."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

from service.billing import words
from service.outbox.mails import Kind
from service.outbox.translations import (
    CATALOGUES,
    SOURCE_LANGUAGE,
    TEMPLATES,
    catalogue,
    render_in,
)
from service.settings import Settings

LANGUAGES = get_args(Settings.model_fields["language"].annotation)
TRANSLATED = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")

VALUES: dict[str, Any] = {
    "publication": "Gazette", "link": "http://a/", "code": "1", "minutes": 2, "name": "Monthly",
    "price": "9 a month", "redeem": "http://a/gift/b", "seats": "3", "closed": "1", "why": "later", "on": "10 March", "sent_on": "10 March", "amount": "9", "receipt": None, "invoice": None, "until": "10 March",
    "paid_until": "10 March", "ends_on": "10 March", "next": "Ends soon.", "advice": "Pay.",
    "is_open": True, "bought_on": "10 March", "reminds": True, "renews": True, "address": "ana@example.org", "is_new": True,
    "off": "http://a/b", "needs": [{"count": 1, "words": "past due", "detail": "", "address": "http://a/c"}],
    "week": {
        "first": "2 March", "last": "8 March", "articles": [("Gazette saves the ferry", "3")],
        "rows": [
            {"name": "mrr all", "value": "9", "before": "8", "version": 1, "address": "http://a/", "was_slow": slow, "is_total": slow}
            for slow in (False, True)
        ],
    },
}  # fmt: skip
"""All that any mail takes."""
Words = tuple[str, ...]


def listed(texts: Any) -> list[Any]:
    """What Babel gives for a text, or for its singular and plurals."""
    return list(texts) if isinstance(texts, tuple | list) else [texts]


def said() -> set[str]:
    """What `say` says of subscriptions."""
    with Path(words.__file__).open("rb") as file:
        found = list(extract_python(file, {"say": None}, (), {}))
    return {str(listed(texts)[0]) for _, _, texts, _ in found}


def source_words() -> set[Words]:
    """One text, or singular and plural: of the templates, and of the state of a subscription."""
    found: set[Words] = {(text,) for text in said()}
    for path in TEMPLATES.iterdir():
        with path.open("rb") as file:
            for _, _, texts, _ in babel_extract(file, ("gettext", "ngettext"), (), {}):
                found.add(tuple(text for text in listed(texts) if isinstance(text, str)))
    return found


def test_every_language_that_can_be_set_has_a_catalogue_and_the_other_way_round() -> None:
    assert sorted(TRANSLATED) == sorted(path.name for path in CATALOGUES.iterdir())


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_complete(language: str) -> None:
    entries = {tuple(listed(message.id)): message for message in catalogue(language) if message.id}
    assert set(entries) == source_words()
    plurals = catalogue(language).num_plurals
    for source, message in entries.items():
        told = [str(text or "") for text in listed(message.string)]
        assert len(told) == (1 if len(source) == 1 else plurals), source
        assert not message.fuzzy, source
        for text in told:
            assert text.strip(), source
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(source[-1])), source
            assert "%" not in PLACEHOLDER.sub("", text), source


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("part", ["subject.txt", "txt", "html"])
def test_each_part_of_each_mail_renders(language: str, kind: str, part: str) -> None:
    text = render_in(language, f"{kind}.{part}", **VALUES)
    assert "Gazette" in text or part == "subject.txt"
    assert "%(" not in text
    assert "{{" not in text
