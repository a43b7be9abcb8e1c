"""Why an item of an export is no article, in words for a person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from service.content.importers.wxr import Item


@dataclass(frozen=True)
class Refusal:
    """`kind` is the class of the `reason`; `unpublished`: a post that readers don't see there."""

    kind: str
    reason: str
    unpublished: bool = False


# WordPress's own post types, with what they are called on its pages.
_TYPES = {
    "page": "a page",
    "attachment": "a file of the media library",
    "nav_menu_item": "an entry of a navigation menu",
    "revision": "an old revision of a post",
    "custom_css": "a style sheet",
    "customize_changeset": "a draft of design settings",
    "oembed_cache": "a cached embed",
    "user_request": "a request about personal data",
    "wp_block": "a reusable block",
    "wp_template": "a theme's template",
    "wp_template_part": "a part of a theme's template",
    "wp_global_styles": "a theme's style settings",
    "wp_navigation": "a navigation menu",
    "wp_font_family": "a font",
    "wp_font_face": "a font",
    "guest-author": "the profile of a guest author",
}
_PUBLISH = "Publish it in WordPress and export again to import it."
UNDATED = Refusal("undated", "It has no readable date. Set its date in WordPress and export again.")
EMPTY = Refusal(
    "empty", "It has no text and no picture. Write something in WordPress and export again."
)
REPEATED = Refusal(
    "repeated", "The same post comes again later in this run; the version changed last is imported."
)
_PROTECTED = Refusal(
    "password-protected",
    "It is protected by a password. Remove the password in WordPress and export again; an access "
    "level can protect it here.",
    unpublished=True,
)
_STATUSES = {
    status: Refusal(kind, reason, unpublished=True)
    for status, kind, reason in (
        ("draft", "draft", f"It is a draft. {_PUBLISH}"),
        ("auto-draft", "draft", "It is a draft that WordPress saved and nobody finished."),
        ("pending", "pending", f"It waits for review. {_PUBLISH}"),
        ("private", "private", "It is private in WordPress. Make it public there to import it."),
        (
            "future",
            "scheduled",
            "It was scheduled when the export was made. Export again once it is published.",
        ),
        ("trash", "trashed", "It lies in WordPress's trash. Restore it there to import it."),
    )
}
_REVISION = Refusal("revision", "It is a revision or an autosave of another post.")


def refusal_of(
    item: Item, published_at: datetime | None, now: datetime, types: Collection[str]
) -> Refusal | None:
    """Why the item is no article; None if it is one. `types` are the post types to import."""
    post_type, status = item.text("wp:post_type"), item.text("wp:status")
    if post_type not in types:
        return _of_type(post_type)
    if status == "inherit":
        return _REVISION
    if status in _STATUSES:
        return _STATUSES[status]
    if status != "publish":
        reason = f"Its status is “{status}”, which a plugin made. {_PUBLISH}"
        return Refusal("unknown-status", reason, unpublished=True)
    if item.text("wp:post_password"):
        return _PROTECTED
    if published_at is None:
        return UNDATED
    if published_at > now:
        reason = f"It is dated in the future ({published_at:%Y-%m-%d %H:%M} UTC)."
        return Refusal("scheduled", reason, unpublished=True)
    return None


def _of_type(post_type: str) -> Refusal:
    if post_type in _TYPES:
        reason = f"It is {_TYPES[post_type]}, not a post; only posts become articles."
        return Refusal(post_type, reason)
    if not post_type:
        return Refusal("unknown-type", "It is untyped; only posts become articles.")
    return Refusal(
        "unknown-type",
        f"It is of the type “{post_type}”, which a plugin or theme made; add --type {post_type} to "
        "import those as well.",
    )
