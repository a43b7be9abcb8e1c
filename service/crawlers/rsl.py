"""The terms for machines as a document of RSL 1.0 (https://rslstandard.org/rsl). Pure."""

from collections.abc import Iterable
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from service.rules.crawlers import License

MEDIA_TYPE = "application/rsl+xml"
NAMESPACE = "https://rslstandard.org/rsl"
_DAYS = 1
"""So long a client may take the document as current."""


def rsl_document(license_: License, urls: Iterable[str] = ("/",)) -> str:
    """The document for what these match: addresses, or paths in the patterns of robots.txt (RSL 1.0, 3.3)."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<rsl xmlns="{NAMESPACE}" max-age="{_DAYS}">',
    ]
    for url in urls:
        lines += rsl_content(license_, url)
    return "\n".join([*lines, "</rsl>", ""])


def section_urls(sections: Iterable[str]) -> list[str]:
    """The list pages of these sections, as patterns: further pages too, but no section whose name goes on."""
    return [
        f"/?{urlencode({'section': each})}{end}" for each in sorted(sections) for end in ("$", "&")
    ]


def rsl_content(license_: License, url: str, prefix: str = "") -> list[str]:
    """The terms of what `url` matches, line by line. `prefix` is the namespace's in a feed, such as `rsl:`."""
    lines = [f"<{prefix}content url={quoteattr(url)}>", f"<{prefix}license>"]
    for element, usages in (("permits", license_.permits), ("prohibits", license_.prohibits)):
        if usages:
            lines.append(_element(f"{prefix}{element}", " ".join(usages), ' type="usage"'))
    inside = []
    if license_.amount:
        currency = f" currency={quoteattr(license_.currency)}"
        inside.append(_element(f"{prefix}amount", license_.amount, currency))
    for element, address in (("standard", license_.standard), ("custom", license_.custom)):
        if address:
            inside.append(_element(f"{prefix}{element}", address))
    opening = f'{prefix}payment type="{license_.payment}"'
    lines += [f"<{opening}>", *inside, f"</{prefix}payment>"] if inside else [f"<{opening}/>"]
    if license_.contact:
        lines.append(_element(f"{prefix}legal", f"mailto:{license_.contact}", ' type="contact"'))
    return [*lines, f"</{prefix}license>", f"</{prefix}content>"]


def _element(name: str, text: str, attributes: str = "") -> str:
    return f"<{name}{attributes}>{escape(text)}</{name}>"
