"""The terms for machines as a document of RSL 1.0 (https://rslstandard.org/rsl). Pure."""

from collections.abc import Iterable
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from service.rules.crawlers import License

MEDIA_TYPE = "application/rsl+xml"
_DAYS = 1
"""So long a client may take the document as current."""


def rsl_document(license_: License, urls: Iterable[str] = ("/",)) -> str:
    """The document for what these match: addresses, or paths in the patterns of robots.txt (RSL 1.0, 3.3)."""
    terms = _terms(license_)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<rsl xmlns="https://rslstandard.org/rsl" max-age="{_DAYS}">',
    ]
    for url in urls:
        lines += [f"  <content url={quoteattr(url)}>", *terms, "  </content>"]
    return "\n".join([*lines, "</rsl>", ""])


def section_urls(sections: Iterable[str]) -> list[str]:
    """The list pages of these sections, as patterns: further pages too, but no section whose name goes on."""
    return [
        f"/?{urlencode({'section': each})}{end}" for each in sorted(sections) for end in ("$", "&")
    ]


def _terms(license_: License) -> list[str]:
    lines = ["    <license>"]
    for element, usages in (("permits", license_.permits), ("prohibits", license_.prohibits)):
        if usages:
            lines.append(f'      <{element} type="usage">{" ".join(usages)}</{element}>')
    lines += [f"      {each}" for each in _payment(license_)]
    if license_.contact:
        contact = escape(f"mailto:{license_.contact}")
        lines.append(f'      <legal type="contact">{contact}</legal>')
    return [*lines, "    </license>"]


def _payment(license_: License) -> list[str]:
    inside = []
    if license_.amount:
        currency = quoteattr(license_.currency)
        inside.append(f"  <amount currency={currency}>{escape(license_.amount)}</amount>")
    for element, address in (("standard", license_.standard), ("custom", license_.custom)):
        if address:
            inside.append(f"  <{element}>{escape(address)}</{element}>")
    opening = f'payment type="{license_.payment}"'
    return [f"<{opening}>", *inside, "</payment>"] if inside else [f"<{opening}/>"]
