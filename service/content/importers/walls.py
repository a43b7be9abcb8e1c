"""Which marks of WordPress's membership plugins close text to readers, and for whom.

Known are the shortcodes, blocks and post fields of Jetpack, Newspack, WooCommerce Memberships, Paid
Memberships Pro, Restrict Content (Pro), MemberPress and some more. What only looks like a
restriction closes the text too: text that a newsroom sells is never given away by a guess.
Sources: the plugins' own code (jetpack extensions/blocks/premium-content, newspack-plugin
class-block-visibility, paid-memberships-pro shortcodes/membership, restrict-content-pro
shortcodes.php, memberpress rules).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

from service.content.importers.notes import Note


@dataclass(frozen=True, slots=True)
class Wall:
    """Whom the text behind a mark is for. `plans`: as the source names them; empty: any.

    `guessed`: the mark itself, where only its look says that it restricts. `of_post`: it says where
    the wall is, and the post's field for whom.
    """

    level: Literal["registered", "subscribers"]
    plans: tuple[str, ...] = ()
    guessed: str = ""
    of_post: bool = False


class Shown(Enum):
    """Marks that close nothing to members."""

    VISITORS = auto()  # to those without access alone: the old wall's own words
    NOBODY = auto()


Verdict = Wall | Shown | None
Attributes = Mapping[str, Any]

_REGISTERED, _SUBSCRIBERS = Wall("registered"), Wall("subscribers")

_LOOK = re.compile(
    r"visibility|member(?!press/)|premium|restrict|paywall|subscri|paid[-_]?content|gated"
    r"|user[-_]?roles?|logged[-_]?in(?!out)",
    re.IGNORECASE,
)
# These say it as a name; as an attribute they are ordinary words.
_NAME_LOOK = re.compile(
    r"(?<![a-z])(?:paid|private|access(?:ally)?|patreon|passster|student)(?![a-z])"
    r"|protect|(?<!b)lock(?:ed|er)",
    re.IGNORECASE,
)
_VALUE_LOOK = re.compile(
    r"paywall|premium|restrict|(?:members?|subscribers?)[-_ ]?only", re.IGNORECASE
)
# They have such a name and close nothing: forms, lists, figures, links.
_HARMLESS = re.compile(
    r"jetpack/(?:subscri\w+|recurring-payments|send-a-message)|jetpack_subscription_form"
    r"|pmpro_member(?:s?_\w+)?|mepr-(?!active|show|hide|unauth)[\w-]+|team[-_]?members?\w*"
    r"|(?:[\w-]*[/_-])?(?:un)?subscribe(?:\d|[-_]?(?:form|button|link|box))?|newsletter\w*"
    r"|subscriptions?[-_]?(?:form|button|link|box)|.*(?:login|register|registration)[-_]?(?:form|link)"
    r"|memberpress/.*|.*-(?:pricing|account|login).*",
    re.IGNORECASE,
)


def of_shortcode(name: str, attributes: Attributes, *, encloses: bool) -> Verdict:
    """What the shortcode asks; None for one that restricts nothing. `encloses`: it has an end."""
    known = _SHORTCODES.get(name.lower())
    if known is not None and encloses:
        return known(attributes)
    if known is not None:
        # Its end has been lost, or has another name: nobody can say how far it reaches.
        closes = isinstance(known(attributes), Wall)
        return Wall("subscribers", guessed=f"[{name}]") if closes else None
    return _guess(name, attributes, f"[{name}]")


def is_plugins_word(name: str) -> bool:
    """Whether only a plugin's shortcode has this name, and no writer's remark in brackets."""
    return name.lower() in _SHORTCODES and name.lower() not in _ORDINARY_WORDS


def of_block(name: str, attributes: Attributes) -> Verdict:
    """What the block of the block editor asks; `name` without `core/` for WordPress's own."""
    known = _BLOCKS.get(name)
    verdict = known(attributes) if known is not None else _of_attributes(attributes)
    if verdict is None and known is None:
        return _guess(name, _without_known(attributes), f"<!-- wp:{name} -->")
    return verdict


def of_gated_block(conditions: str) -> Wall | None:
    """Ghost's `<!--kg-gated-block:begin nonMember:false memberSegment:"status:-free" -->`."""
    if "nonMember:true" in conditions.replace(" ", ""):
        return None
    return _REGISTERED if "status:free" in conditions else _SUBSCRIBERS


def of_article(marks: Iterable[Wall], meta: Mapping[str, str]) -> tuple[Wall | None, list[Note]]:
    """One wall for the article, and what a person should know of it.

    Of the walls in its text and in the post's fields the strictest is taken.
    """
    by_field = [wall for key, read in _META.items() if key in meta and (wall := read(meta[key]))]
    notes = [
        Note("restriction-meta", key)
        for key, value in sorted(meta.items())
        if key not in _META and _VALUE_LOOK.search(key) and value.strip() not in _OFF
    ]
    walls = [*(wall for wall in marks if not (by_field and wall.of_post)), *by_field]
    if not walls:
        return None, notes
    notes += [Note("unknown-wall", wall.guessed) for wall in walls if wall.guessed]
    strictest = next((wall for wall in walls if wall.level == "subscribers"), walls[0])
    named = [set(wall.plans) for wall in walls if wall.plans]
    plans: set[str] = set.intersection(*named) if named else set()
    if named and not plans:
        plans = set.union(*named)
        notes.append(Note("several-plans", ", ".join(sorted(plans))))
    return Wall(strictest.level, tuple(sorted(plans))), notes


_OFF = {"", "0", "no", "false", "none", "off", "a:0:{}", "[]", "{}", "null", "N;", "everybody"}


def _listed(value: Any) -> tuple[str, ...]:
    """The names in a list, or in a text with commas."""
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _serialised(value: str) -> tuple[str, ...]:
    """The texts and numbers in what PHP's `serialize` made of a list; other text as it is."""
    if not value.startswith("a:"):
        return _listed(value)
    return tuple(
        text or number for text, number in re.findall(r'i:\d+;(?:s:\d+:"([^"]*)"|i:(\d+));', value)
    )


def _membership(attributes: Attributes) -> Verdict:
    levels = _listed(attributes.get("level") or attributes.get("levels") or "")
    if levels and all(level == "0" or level.startswith("-") for level in levels):
        return Shown.VISITORS
    return Wall("subscribers", tuple(each for each in levels if each.strip("-").strip("0")))


def _pmpro_block(attributes: Attributes) -> Verdict:
    if str(attributes.get("invert_restrictions", "0")) in {"1", "True"}:
        return Shown.VISITORS
    if attributes.get("segment") == "logged_in":
        return _REGISTERED
    return _membership({"levels": attributes.get("levels", [])})


def _restrict(attributes: Attributes) -> Verdict:
    """Restrict Content (Pro): without an attribute, every reader who is signed in."""
    plans = _listed(attributes.get("subscription", ""))
    paid = str(attributes.get("paid", "")).lower() not in _OFF
    level = str(attributes.get("level", "")) not in _OFF
    role = str(attributes.get("userlevel", "none")).lower() not in {"none", "subscriber"}
    return Wall("subscribers", plans) if plans or paid or level or role else _REGISTERED


def _plans_of(*names: str) -> Callable[[Attributes], Verdict]:
    def read(attributes: Attributes) -> Verdict:
        plans = next((_listed(attributes[name]) for name in names if attributes.get(name)), ())
        return Wall("subscribers", plans)

    return read


def _memberpress(attributes: Attributes) -> Verdict:
    condition = str(attributes.get("if", "")).replace(" ", "").lower()
    if attributes.get("ifallowed") == "hide" or condition == "loggedout":
        return Shown.VISITORS
    if condition == "loggedin":
        return _REGISTERED
    return _plans_of("memberships", "membership")(attributes)


def _premium_container(attributes: Attributes) -> Verdict:
    plans = attributes.get("selectedPlanIds") or attributes.get("selectedPlanId") or []
    return Wall("subscribers", _listed(plans))


def _always(verdict: Verdict) -> Callable[[Attributes], Verdict]:
    return lambda _: verdict


_SHORTCODES: Mapping[str, Callable[[Attributes], Verdict]] = {
    "membership": _membership,  # Paid Memberships Pro
    "pmpro_membership": _membership,
    "restrict": _restrict,  # Restrict Content (Pro)
    "is_paid": _always(_SUBSCRIBERS),
    "is_free": _always(_REGISTERED),
    "not_logged_in": _always(Shown.VISITORS),
    "is_not_paid": _always(Shown.VISITORS),
    "is_expired": _always(Shown.VISITORS),
    "mepr-active": _memberpress,  # MemberPress
    "mepr-show": _memberpress,
    "mepr-hide": _always(Shown.VISITORS),
    "mepr-unauthorized": _always(Shown.VISITORS),
    "mepr-unauthorized-message": _always(Shown.VISITORS),
    "wcm_restrict": _plans_of("plans", "plan"),  # WooCommerce Memberships, as Newspack sells
    "wcm_nonmember": _always(Shown.VISITORS),
    "wcm_content_restricted": _always(Shown.VISITORS),
    "subscribers_content": _always(_SUBSCRIBERS),
    "nonsubscribers_content": _always(Shown.VISITORS),
    "members_access": _always(_SUBSCRIBERS),  # Members
    "members_logged_in": _always(_REGISTERED),
    "members_not_logged_in": _always(Shown.VISITORS),
    "um_loggedin": _always(_REGISTERED),  # Ultimate Member
    "um_loggedout": _always(Shown.VISITORS),
    "um_show_content": _always(_SUBSCRIBERS),
    "groups_member": _plans_of("group"),  # Groups
    "groups_non_member": _always(Shown.VISITORS),
    "s2if": _always(_SUBSCRIBERS),  # s2Member
    "swpm_protected": _plans_of("for"),  # Simple Membership
    "pms-restrict": _plans_of("subscription_plans"),  # Paid Member Subscriptions
    "ihc-hide-block": _always(_SUBSCRIBERS),  # Ultimate Membership Pro
    "leaky_paywall": _always(_SUBSCRIBERS),
    "private": _always(_SUBSCRIBERS),
    "member": _always(_REGISTERED),
    "logged_in": _always(_REGISTERED),
    "loggedin": _always(_REGISTERED),
    "visitor": _always(Shown.VISITORS),
}

_ORDINARY_WORDS = {"member", "membership", "private", "visitor"}

_BLOCKS: Mapping[str, Callable[[Attributes], Verdict]] = {
    "jetpack/paywall": _always(Wall("subscribers", of_post=True)),
    "jetpack/paid-content": _always(_SUBSCRIBERS),
    "premium-content/container": _premium_container,
    "premium-content/subscriber-view": _always(None),  # inside the container, which is the wall
    "premium-content/logged-out-view": _always(Shown.VISITORS),
    "premium-content/login-button": _always(Shown.VISITORS),
    "premium-content/buttons": _always(Shown.VISITORS),
    "woocommerce-memberships/member-content": _plans_of("plans"),
    "woocommerce-memberships/non-member-content": _always(Shown.VISITORS),
    "pmpro/membership": _pmpro_block,
    "pms/content-restriction": _plans_of("subscription_plans"),
    "restrict-content-pro/restrict": _restrict,
}


def _of_attributes(attributes: Attributes) -> Verdict:
    """Restrictions that a plugin or WordPress puts on any block."""
    if (attributes.get("metadata") or {}).get("blockVisibility") is False:
        return Shown.NOBODY  # WordPress 6.9: hidden by its author
    if (attributes.get("blockVisibility") or {}).get("hideBlock") is True:
        return Shown.NOBODY  # Block Visibility
    return _newspack(attributes)


def _newspack(attributes: Attributes) -> Verdict:
    rules = attributes.get("newspackAccessControlRules") or {}
    gates = attributes.get("newspackAccessControlGateIds") or []
    registration = bool((rules.get("registration") or {}).get("active"))
    paid = bool((rules.get("custom_access") or {}).get("active"))
    if not (gates or registration or paid):
        return None
    if attributes.get("newspackAccessControlVisibility") == "hidden":
        return Shown.VISITORS
    return _REGISTERED if registration and not (paid or gates) else _SUBSCRIBERS


def _without_known(attributes: Attributes) -> Attributes:
    """The attributes without those that have been judged, and found to restrict nothing."""
    judged = {key: value for key, value in attributes.items() if not key.startswith("newspackAcc")}
    metadata = judged.pop("metadata", None)
    return (
        judged
        if not isinstance(metadata, dict) or "blockVisibility" not in metadata
        else {**judged, "blockVisibility": metadata["blockVisibility"]}
    )


def _guess(name: str, attributes: Attributes, mark: str) -> Wall | None:
    """A wall where name or attributes look like one."""
    looks_so = _LOOK.search(name) or _NAME_LOOK.search(name)
    if looks_so and not _HARMLESS.fullmatch(name):
        return Wall("subscribers", guessed=mark)
    for key, value in _pairs(attributes):
        is_set = value not in (None, False, "", [], {}) and str(value).lower() not in _OFF
        looks = _LOOK.search(key) and not _HARMLESS.fullmatch(key)
        if is_set and (looks or _VALUE_LOOK.search(str(value) if isinstance(value, str) else "")):
            return Wall("subscribers", guessed=f"{mark} with {key}")
    return None


def _pairs(attributes: Attributes) -> Iterator[tuple[str, Any]]:
    """The attributes, and those within them."""
    for key, value in attributes.items():
        yield key, value
        if isinstance(value, Mapping):
            yield from _pairs(value)


def _jetpack(access: str) -> Wall | None:
    """`_jetpack_newsletter_access`; a value of later versions asks for a subscription."""
    if access.strip() in {*_OFF, "everybody"}:
        return None
    return _REGISTERED if access.strip() == "subscribers" else _SUBSCRIBERS


def _nothing(_: str) -> None:
    """A field that is known, and closes nothing by itself."""


def _switched(value: str) -> Wall | None:
    return None if value.strip() in _OFF else _SUBSCRIBERS


def _rcp_level(value: str) -> Wall | None:
    if value.strip() in {*_OFF, "all"}:
        return None
    if value.strip() in {"any", "any-paid"}:
        return _REGISTERED if value.strip() == "any" else _SUBSCRIBERS
    return Wall("subscribers", _serialised(value.strip()))


def _rcp_role(value: str) -> Wall | None:
    roles = {role.lower() for role in _serialised(value.strip())} - {"all", "none", ""}
    if not roles or value.strip() in _OFF:
        return None
    return _REGISTERED if roles <= {"subscriber"} else _SUBSCRIBERS


_META: Mapping[str, Callable[[str], Wall | None]] = {
    "_jetpack_newsletter_access": _jetpack,
    "_jetpack_memberships_contains_paid_content": _switched,
    "_jetpack_memberships_contains_paywalled_content": _nothing,  # its block says it
    "_is_paid": _switched,  # Restrict Content Pro
    "rcp_subscription_level": _rcp_level,
    "rcp_access_level": _switched,
    "rcp_user_level": _rcp_role,
    "rcUserLevel": _rcp_role,  # Restrict Content
    "_members_access_role": _rcp_role,  # Members
    "_members_access_error": _nothing,
    "_wc_memberships_force_public": _nothing,
    "_wc_memberships_use_custom_content_restricted_message": _nothing,
    "_pmpro_page_levels": _switched,
}
