"""By what a reader came to an article: from its touch alone, so it is as good as what the browser says. Pure."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Literal, Protocol

Entry = Literal["newsletter", "search", "social", "direct", "other"]
ENTRY_WORDS: Mapping[Entry, str] = {
    "newsletter": "Newsletter",
    "search": "Search engine",
    "social": "Social network",
    "direct": "Direct or unknown",
    "other": "Other site",
}
"""What the newsroom calls them."""

_MEDIUMS: Mapping[Entry, frozenset[str]] = {
    "newsletter": frozenset({"newsletter", "email", "e-mail", "e_mail", "mail"}),
    "search": frozenset({"organic", "search", "cpc", "ppc", "paidsearch"}),
    "social": frozenset(
        {"social", "social-network", "social-media", "social_network", "social_media", "sm"}
    ),
}
"""Values of `utm_medium`; newsletters, search and social as analytics tools group them."""
_NAMES: Mapping[Entry, frozenset[str]] = {
    "search": frozenset(
        {
            "google", "bing", "duckduckgo", "ecosia", "qwant", "startpage", "yandex", "baidu", "naver",
            "seznam", "kagi", "mojeek",
        }
    ),
    "social": frozenset(
        {
            "facebook", "instagram", "twitter", "x", "t", "linkedin", "lnkd", "reddit", "pinterest",
            "tiktok", "threads", "bsky", "youtube", "whatsapp", "telegram", "vk", "xing", "mastodon",
        }
    ),
}  # fmt: skip
"""Names that sites register below a top-level domain, such as `google` of `www.google.co.uk`."""
_HOSTS: Mapping[str, Entry] = {
    "search.yahoo.com": "search",
    "search.brave.com": "search",
    "news.google.com": "other",
    "com.google.android.googlequicksearchbox": "search",
    "com.google.android.gm": "newsletter",
    "mail.google.com": "newsletter",
    "t.me": "social",
    "t.co": "social",
    "x.com": "social",
    "out.reddit.com": "social",
}
_ONE_LETTER = frozenset({"t", "x"})
"""Too short to be looked for in any host but those above."""


class Led(Protocol):
    """What a touch says (touches.py)."""

    @property
    def referrer_host(self) -> str | None: ...
    @property
    def source(self) -> str | None: ...
    @property
    def medium(self) -> str | None: ...


def entry_of(touch: Led) -> Entry:
    """The campaign's medium and source go before the host that linked here."""
    if touch.medium is None and touch.source is None:
        return "direct" if touch.referrer_host is None else _of_host(touch.referrer_host.lower())
    medium, source = (touch.medium or "").lower(), (touch.source or "").lower()
    if "newsletter" in source or medium in _MEDIUMS["newsletter"]:
        return "newsletter"
    # The source first: advertisements on search engines and networks have one medium, such as cpc.
    named = _named(_NAMES, {source}) or _named(_MEDIUMS, {medium})
    if named is not None:
        return named
    if touch.referrer_host is not None:
        return _of_host(touch.referrer_host.lower())
    return "other" if medium or source else "direct"


def _of_host(host: str) -> Entry:
    known = _HOSTS.get(host)
    if known is not None:
        return known
    labels = set(host.split(".")[:-1]) - _ONE_LETTER
    return _named(_NAMES, labels) or "other"


def _named(table: Mapping[Entry, frozenset[str]], words: AbstractSet[str]) -> Entry | None:
    return next((entry for entry, names in table.items() if words & names), None)
