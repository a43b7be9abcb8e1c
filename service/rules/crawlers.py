"""What crawlers get, by what they crawl for, and the terms for machines. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.texts import plain_name

CrawlerCategory = Literal["search", "agent", "training"]
CrawlerPolicy = Literal["preview", "full_verified", "refuse", "license"]
Usage = Literal["all", "ai-all", "ai-train", "ai-input", "ai-index", "search"]
"""What a text may be used for, in the words of RSL 1.0."""
Payment = Literal[
    "free", "attribution", "crawl", "training", "use", "subscription", "purchase", "contribution"
]

CATEGORY_WORDS: Mapping[CrawlerCategory, str] = {
    "search": "Search engines",
    "agent": "AI agents acting for a user",
    "training": "AI training crawlers",
}
POLICY_WORDS: Mapping[CrawlerPolicy, str] = {
    "preview": "Preview, like everybody",
    "full_verified": "Full text, if verified",
    "refuse": "No access: excluded in robots.txt, and 403 if verified",
    "license": "Licence terms (402), if verified",
}


PAYMENT_WORDS: Mapping[Payment, str] = {
    "free": "Nothing",
    "attribution": "Free with attribution",
    "crawl": "Per crawl",
    "training": "Per training run",
    "use": "Per use in an answer",
    "subscription": "A subscription",
    "purchase": "Once",
    "contribution": "Voluntary contribution",
}


@dataclass(frozen=True)
class License:
    """Terms for machines. `amount` is decimal; an empty text says nothing."""

    permits: tuple[Usage, ...] = ()
    prohibits: tuple[Usage, ...] = ()
    payment: Payment = "free"
    amount: str = ""
    currency: str = ""
    custom: str = ""
    standard: str = ""
    contact: str = ""


@dataclass(frozen=True)
class CrawlerRules:
    """What crawlers get, by what they crawl for. No licensed section named: all need the licence."""

    search: CrawlerPolicy = "preview"
    agent: CrawlerPolicy = "preview"
    training: CrawlerPolicy = "preview"
    licensed_sections: frozenset[str] = frozenset()
    license: License | None = None

    @property
    def treat_all_alike(self) -> bool:
        """Whether it makes no difference which crawler asks."""
        return self.search == self.agent == self.training == "preview"

    def policy(self, category: CrawlerCategory) -> CrawlerPolicy:
        by_category = {"search": self.search, "agent": self.agent, "training": self.training}
        return by_category[category]

    def needs_license(self, section: str | None) -> bool:
        is_in = section is not None and plain_name(section) in self.licensed_sections
        return is_in or not self.licensed_sections


EVERYBODYS_PREVIEW = CrawlerRules()
"""What holds while nobody has set anything."""
