"""The marks of WordPress's block editor, and other editors' marks for a wall, in a post's content.

`<!-- wp:name {"attribute": …} -->` opens a block, `<!-- /wp:name -->` closes it, and
`<!-- wp:name … /-->` is a block whose HTML WordPress makes only when it shows the page.
Source of the form: developer.wordpress.org/block-editor, "Markup representation of a block".
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.content.importers.found import Found
from service.content.importers.markup import PAYWALL
from service.content.importers.shortcodes import link
from service.content.importers.stored_json import read_json
from service.content.importers.walls import Shown, Wall, of_block, of_gated_block

_MARK = re.compile(
    r"<!--\s*+(?P<closing>/?)wp:(?P<name>[a-z][\w-]*+(?:/[a-z][\w-]*+)?)"
    r"(?P<rest>(?:(?!-->|<!--).)*+)-->"
    r"|<!--\s*+kg-gated-block:begin(?P<gated>(?:(?!-->|<!--).)*+)-->"
    r"|(?P<element><paywall\b[^<>]*>|___STEADY_PAYWALL___)"
    r"|(?P<more><span\s[^<>]*\bid=[\"']?more-\d+[\"']?[^<>]*>(?:\s*</span>)?)",
    re.DOTALL | re.IGNORECASE,
)
_WEB = re.compile(r"(?:https?:)?//[^\s\"'<>]+")
_BORDER = "<!-- wp:x /-->"  # what stood on either side of a block stays apart
_ADDRESSES = ("url", "src", "href", "link", "mediaUrl", "videoUrl", "embedUrl")
# Blocks without words of their own; what WordPress would show there is no part of the article.
_SILENT = frozenset(
    {
        "spacer", "separator", "nextpage", "more", "post-title", "post-date", "post-author",
        "post-featured-image", "post-excerpt", "post-terms", "jetpack/subscriptions",
        "jetpack/sharing-buttons", "jetpack/sharing-button", "jetpack/like", "social-link",
        "jetpack/related-posts", "template-part", "pattern", "navigation",
    }
)  # fmt: skip


def resolve(
    source: str, found: Found, dynamic: Mapping[str, Callable[[dict[str, Any]], str]]
) -> str:
    """`source` with walls as `<!--paywall-->`, without what members never saw.

    `dynamic` makes the HTML of blocks that WordPress renders when it shows them, by their name.
    Marks of ordinary blocks stay: they part paragraphs.
    """
    out: list[str] = []
    left_out: list[tuple[str, Shown, int]] = []  # name, for whom, where its source begins
    depth = 0
    position = 0
    for match in _MARK.finditer(source):
        name = (match["name"] or "").lower().removeprefix("core/")
        if left_out:
            depth += _step(match, name, left_out[0][0])
            if depth == 0:
                _, shown, start = left_out.pop()
                kind = "hidden" if shown is Shown.NOBODY else "visitors-only"
                found.left_out(kind, source[start : match.start()])
                out.append(_BORDER)
                position = match.end()
            continue
        out.append(source[position : match.start()])
        position = match.end()
        verdict = _verdict(match, name)
        if isinstance(verdict, Shown):
            if not _is_empty(match):
                left_out.append((name, verdict, match.end()))
                depth = 1
            continue
        if verdict is not None:
            found.walls.append(verdict)
            out.append(PAYWALL)
        out.append(_replacement(match, name, found, dynamic, walled=verdict is not None))
    if left_out:  # it has no end: nothing is lost, and nothing given away
        found.walls.append(Wall("subscribers", guessed=f"<!-- wp:{left_out[0][0]} -->"))
        return "".join([*out, PAYWALL, source[left_out[0][2] :]])
    return "".join([*out, source[position:]])


def _step(match: re.Match[str], name: str, wanted: str) -> int:
    if name != wanted or _is_empty(match):
        return 0
    return -1 if match["closing"] else 1


def _is_empty(match: re.Match[str]) -> bool:
    return (match["rest"] or "").rstrip().endswith("/")


def _verdict(match: re.Match[str], name: str) -> Wall | Shown | None:
    if match["element"]:
        return Wall("subscribers")
    if match["gated"] is not None:
        return of_gated_block(match["gated"])
    if not name or match["closing"]:
        return None
    return of_block(name, _attributes(match))


def _replacement(
    match: re.Match[str],
    name: str,
    found: Found,
    dynamic: Mapping[str, Callable[[dict[str, Any]], str]],
    *,
    walled: bool,
) -> str:
    if match["more"]:
        return "<!--more-->"
    if not name:
        return ""
    if match["closing"] or not _is_empty(match):
        return match[0]
    attributes = _attributes(match)
    if name in dynamic:
        return dynamic[name](attributes)
    address = next(
        (str(attributes[key]) for key in _ADDRESSES if _WEB.fullmatch(str(attributes.get(key)))), ""
    )
    if address:
        found.note("player", address)
        return f"\n\n<p>{link(address)}</p>\n\n"
    if name not in _SILENT and not walled:
        found.note("block", name)
    return _BORDER


def _attributes(match: re.Match[str]) -> dict[str, Any]:
    text = (match["rest"] or "").strip().removesuffix("/").strip()
    if not text:
        return {}
    attributes = read_json(text)
    return attributes if isinstance(attributes, dict) else {"": text}
