"""Links that lead somewhere: in-page ones to a place that is there, others by a known scheme. Pure.

An author's ids would shadow the page's own elements and scripts' variables, so they get a prefix.
"""

import re
from urllib.parse import quote, unquote

from service.content.blocks import Element
from service.content.sanitise import ID_PREFIX, TAGS, URL_SCHEMES

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_IGNORED = re.compile(r"[\x00-\x20]")  # browsers leave them out when they look for a scheme
_UNLINKED = "span"  # not in the sanitiser's list, so only what is in it stays


def settle_links(root: Element) -> None:
    """Lead in-page links to their places, and make plain words of links that lead nowhere."""
    links = list(root.iter("a"))
    wanted = {_place(link) for link in links} - {""}
    places = _places(root, wanted)
    for link in links:
        place, address = _place(link), _IGNORED.sub("", link.get("href", ""))
        if place in places:
            link.set("href", f"#{quote(places[place])}")
        elif not address or address.startswith("#") or not _is_allowed(address):
            _unlink(link)


def drop_dead_links(root: Element) -> None:
    """After a cut: make plain words of in-page links whose place has gone."""
    present = {node.get("id") for node in root.iter() if isinstance(node.tag, str)}
    for link in list(root.iter("a")):
        if _place(link) and _place(link) not in present:
            _unlink(link)


def _place(link: Element) -> str:
    address = link.get("href", "").strip()
    return unquote(address[1:]) if address.startswith("#") else ""


def _places(root: Element, wanted: set[str]) -> dict[str, str]:
    """The final id by the author's, of the places that links lead to; all other ids go."""
    places: dict[str, str] = {}
    finals: dict[Element, str] = {}
    for node in [each for each in root.iter() if isinstance(each.tag, str)]:
        names = [node.attrib.pop("id", None), node.get("name") if node.tag == "a" else None]
        for name in names:
            if name and name in wanted and name not in places:
                host = _host(node)
                if host is not None:
                    final = f"{ID_PREFIX}{len(finals) + 1}"
                    places[name] = finals.setdefault(host, final)
    for host, final in finals.items():
        host.set("id", final)
    return places


def _host(node: Element) -> Element | None:
    """The element that can hold the id: the node, what follows it, or what it is in."""
    if _holds_ids(node):
        return node
    around = [each for each in node.iterancestors() if _holds_ids(each)]
    following = node.getnext()
    if not around and following is not None and _holds_ids(following):
        return following
    return around[0] if around else None


def _holds_ids(node: Element) -> bool:
    return node.tag in TAGS and (node.tag != "a" or bool(node.get("href")))


def _is_allowed(address: str) -> bool:
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[1].lower() in URL_SCHEMES


def _unlink(link: Element) -> None:
    link.tag = _UNLINKED
    link.attrib.pop("href", None)
