"""What a body shows by scripts or frames, made into what a page without them shows.

A lazy picture gets its real address. A player or a chart becomes a link to its address: what it
would load comes from a third party. Pure.
"""

from collections.abc import Collection, Iterator
from itertools import islice

from lxml import etree

from service.content.blocks import TEXT_BLOCKS, Element

_LAZY = (
    "data-src", "data-lazy-src", "data-original", "data-orig-file", "data-full-url", "data-hi-res-src",
)  # fmt: skip
_LAZY_SETS = ("data-srcset", "data-lazy-srcset", "srcset")
_PLAYERS = {"audio", "embed", "iframe", "object", "video"}
_INLINE_PLACES = TEXT_BLOCKS | {"a", "b", "em", "figure", "i", "span", "strong"}
_SYMBOLS = ("mi", "mn", "mo", "ms", "mtext")
_DROPPED = "template"
_MOST_SOURCES = 10
_INVISIBLE = {"0", "1", "0px", "1px"}


def settle_media(root: Element) -> None:
    """Give pictures their addresses, make links of players, and text of formulas.

    What is left to be dropped are elements of sanitise.DROPPED_WITH_CONTENT.
    """
    sources = dict(_sources(root))
    shown = {_settle_picture(each, sources.get(each, [])) for each in _outside_fallbacks(root)}
    for fallback in root.iter("noscript"):
        for picture in list(fallback.iter("img")):
            address = _settle_picture(picture, [])
            if address is not None and address not in shown:
                shown.add(address)
                picture.tail = None
                fallback.addprevious(picture)
    for player in [each for each in root.iter(*_PLAYERS) if not _is_within(each, _PLAYERS)]:
        _link_player(player)
    for formula in [each for each in root.iter("math") if not _is_within(each, {"math"})]:
        _write_out(formula)


def _write_out(formula: Element) -> None:
    """A formula in one line of text; MathML isn't safe to keep."""
    written = etree.Element("span")
    written.text = formula.get("alttext") or "".join(
        (each.text or "").strip() for each in formula.iter(*_SYMBOLS)
    )
    formula.addprevious(written)


def _outside_fallbacks(root: Element) -> list[Element]:
    return [each for each in root.iter("img") if not _is_within(each, {"noscript"})]


def _sources(root: Element) -> Iterator[tuple[Element, list[str | None]]]:
    """The sets of addresses that a `<picture>` offers beside its `<img>`."""
    for picture in root.iter("picture"):
        image = next(picture.iter("img"), None)
        if image is not None:
            offered = islice(picture.iter("source"), _MOST_SOURCES)
            yield image, [each.get(name) for each in offered for name in _LAZY_SETS]


def _settle_picture(picture: Element, sources: list[str | None]) -> str | None:
    """Set the picture's address and return it; without one the picture goes."""
    sets = [*(picture.get(name) for name in _LAZY_SETS), *sources]
    plain = [picture.get("src"), *(picture.get(name) for name in _LAZY)]
    addresses = [*plain, *(_widest(each) for each in sets if each)]
    real = next((each.strip() for each in addresses if each and _is_address(each)), None)
    if real is None:
        picture.tag = _DROPPED
    else:
        picture.set("src", real)
    return real


def _widest(candidates: str) -> str | None:
    """The largest picture of a `srcset`."""
    listed = [each.split() for each in candidates.split(", ")]
    best = max((words for words in listed if words), key=_width, default=None)
    return best[0].rstrip(",") if best else None


def _width(candidate: list[str]) -> float:
    try:
        return float(candidate[1].rstrip("wx,")) if len(candidate) > 1 else 0
    except ValueError:
        return 0


def _link_player(player: Element) -> None:
    address = _address_of(player)
    if address is None or _INVISIBLE & {player.get("width"), player.get("height")}:
        return
    link = etree.Element("a", href=address)
    link.text = address
    parent = player.getparent()
    if parent is None or parent.tag in _INLINE_PLACES:
        player.addprevious(link)
        return
    paragraph = etree.Element("p")
    paragraph.append(link)
    player.addprevious(paragraph)


def _address_of(player: Element) -> str | None:
    sources = [player.get(name) for name in ("src", "data", *_LAZY)]
    sources += [each.get("src") for each in islice(player.iter("source"), _MOST_SOURCES)]
    found = next((each.strip() for each in sources if each and _is_address(each)), None)
    return f"https:{found}" if found is not None and found.startswith("//") else found


def _is_address(text: str) -> bool:
    """Whether it leads somewhere: no placeholder, and no picture written into the page."""
    head = text.strip().lower()
    return bool(head) and not head.startswith(("data:", "about:", "blob:", "javascript:", "#"))


def _is_within(node: Element, tags: Collection[str]) -> bool:
    return any(each.tag in tags for each in node.iterancestors())


def drop(node: Element) -> None:
    """Take the element away with what is in it; what follows it stays."""
    parent = node.getparent()
    if parent is None:
        return
    before = node.getprevious()
    if node.tail and before is not None:
        before.tail = (before.tail or "") + node.tail
    elif node.tail:
        parent.text = (parent.text or "") + node.tail
    parent.remove(node)
