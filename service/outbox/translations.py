"""Texts in several languages: English in the mails' templates and in billing/words.py, all others in
catalogues beside the templates.

A catalogue is `locale/<language>/LC_MESSAGES/mails.po`; docs/mail.md says how to add one. They are read
as they are, once a process: there is no step that compiles them.
"""

import gettext
import io
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

HERE = Path(__file__).parent
SOURCE_LANGUAGE = "en"
TEMPLATES = HERE / "templates"
CATALOGUES = HERE / "locale"


def catalogue(language: str) -> Catalog:
    """The catalogue as it is in its file. FileNotFoundError where there is none."""
    path = CATALOGUES / language / "LC_MESSAGES" / "mails.po"
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="mails", abort_invalid=True)


def render_in(language: str, template: str, **context: Any) -> str:
    """A template of `templates/` in this language; values are escaped in those that are HTML.

    Undefined names are errors.
    """
    return _environment(language).get_template(template).render(language=language, **context)


def say_in(language: str, text: str, **values: str) -> str:
    """An English `text` in this language, with the values in its `%(name)s`."""
    return _translations(language).gettext(text) % values


def day_in(language: str, at: datetime, zone: ZoneInfo) -> str:
    """`10 March 2026`, in the publication's time zone."""
    return str(format_date(at.astimezone(zone), "long", locale=_LOCALES[language]))


def money_in(language: str, amount: Decimal, currency: str) -> str:
    """`€9.00`, `9,00 €`. `amount` is in the currency's major unit."""
    return str(format_currency(amount, currency, locale=_LOCALES[language]))


def number_in(language: str, value: float) -> str:
    """`1,234`, `1.234`."""
    return str(format_decimal(value, format="#,##0", locale=_LOCALES[language]))


def percent_in(language: str, share: float) -> str:
    """`4.5 %`, `4,5 %` of a share such as 0.045."""
    return (
        f"{format_decimal(share * 100, format='0.0', locale=_LOCALES[language])}\N{NO-BREAK SPACE}%"
    )


_LOCALES = {"en": "en_GB", "de": "de_DE"}


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translations = _translations(language)
    # The extension puts this method there; it isn't in the class that it extends.
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    return environment


@cache
def _translations(language: str) -> gettext.NullTranslations:
    if language == SOURCE_LANGUAGE:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
