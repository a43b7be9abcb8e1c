"""What crawlers may have, as an editor writes it."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from service.bodies import Body, Currency, Identifier, PlainName
from service.rules.crawlers import CrawlerRules, License, Payment, Usage
from service.texts import plain_name

_MOST_NAMED = 500
Section = Annotated[PlainName, Field(min_length=1, max_length=200)]
Address = Annotated[Identifier, StringConstraints(pattern=r"^https?://[^\s<>\"]+$", max_length=500)]


class LicenseIn(Body):
    """Terms for machines, as Really Simple Licensing 1.0 has them (https://rslstandard.org/rsl)."""

    permits: Annotated[tuple[Usage, ...], Field(max_length=6)] = ()
    """What a crawler may use the text for; empty: whatever isn't prohibited."""
    prohibits: Annotated[tuple[Usage, ...], Field(max_length=6)] = ()
    payment: Payment = "free"
    """What is paid for."""
    amount: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,9}(\.[0-9]{1,6})?)?$")] = ""
    """Decimal, since a crawl may cost less than the smallest coin; empty: no price is named."""
    currency: Currency | Literal[""] = ""
    custom: Address | Literal[""] = ""
    """Where a licence is asked for."""
    standard: Address | Literal[""] = ""
    """A licence that many publishers share."""
    contact: Annotated[Identifier, Field(max_length=200)] = ""
    """An e-mail address."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        both = set(self.permits) & set(self.prohibits)
        if both:
            raise ValueError(f"{min(both)} is permitted and prohibited: choose one")
        if bool(self.amount) != bool(self.currency):
            raise ValueError("amount and currency go together")
        return self

    def as_rule(self) -> License:
        return License(
            self.permits, self.prohibits, self.payment, self.amount, self.currency, self.custom,
            self.standard, self.contact,
        )  # fmt: skip


class CrawlersIn(Body):
    """What crawlers get, by what they crawl for. Who a crawler is, its User-Agent alone never says."""

    search: Literal["preview", "full_verified", "refuse"] = "preview"
    """Search engines. `full_verified`: the whole text to those that prove who they are."""
    agent: Literal["preview", "refuse"] = "preview"
    """Agents that fetch a page for somebody. Who subscribes gives theirs an access token."""
    training: Literal["preview", "refuse", "license"] = "preview"
    """Crawlers for training models. `license`: 402 with the terms."""
    licensed_sections: Annotated[tuple[Section, ...], Field(max_length=_MOST_NAMED)] = ()
    """Where training needs a licence; empty: everywhere."""
    license: LicenseIn | None = None

    @model_validator(mode="after")
    def _license_is_there(self) -> Self:
        if self.training == "license" and self.license is None:
            raise ValueError("training by licence needs the terms: set license")
        return self

    def as_rule(self) -> CrawlerRules:
        terms = self.license.as_rule() if self.license is not None else None
        sections = frozenset(map(plain_name, self.licensed_sections))
        return CrawlerRules(self.search, self.agent, self.training, sections, terms)
