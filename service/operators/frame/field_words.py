"""What the pages call the fields of their forms, where they are named outside of the form: in refusals, and in lists
of what was entered.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from service.reports.dimension_words import WORDS as DIMENSIONS
from service.wrong_values import said_of

_ANYWHERE: Mapping[str, str] = {
    **DIMENSIONS,
    "addresses": "The list as its operator publishes it", "agent": "Agents that fetch a page for somebody",
    "agents": "Names in robots.txt", "article": "Article URL or slug", "at": "When",
    "category": "For", "contact": "E-mail address for questions", "csv": "The list as CSV",
    "custom": "Address where a licence is asked for", "description": "Description",
    "email": "E-mail address", "ends_at": "End", "entry": "Came by", "again": "New password again", "licensed_sections": "Sections where training needs the licence", "span": "Period",
    "types": "Events to send",
    "feedback": "Answer", "file": "The list as CSV",
    "free_after_days": "Free after, days", "free_hours": "Free at first, hours",
    "hosts": "Domains of its addresses’ names", "interval": "Interval", "keys": "Public Ed25519 keys that sign its requests",
    "label": "Label", "most_ended": "How many of the rights that run it may end, in percent",
    "note": "Why", "owner": "The owner’s e-mail address or id", "payment": "What is paid for",
    "permits": "Permitted uses", "plans": "Plans that open it", "prohibits": "Prohibited uses",
    "position": "Place", "query": "E-mail address or id", "reference": "The source’s own number of it",
    "search": "Search engines", "series": "Which", "split": "Break down by", "sort": "Order",
    "standard": "Address of a licence that publishers share", "subscribers_after_days": "Subscribers alone after, days",
    "target": "What was changed", "text": "New note", "training": "Crawlers for training models", "until": "Last day",
    "url": "URL", "who": "Reader", "zone": "Time zone", "actor": "Who",
}  # fmt: skip
"""By the field's name. Of others the name itself is what the page calls them."""
_ON_PAGES: Mapping[str, Mapping[str, str]] = {
    "/admin/articles": {"query": "Words, or the end of the address"},
    "/admin/entitlements": {"source": "Source", "query": "Reference, or a reader’s e-mail address or id"},
    "/admin/exchange-rates": {
        "currency": "One unit of", "rate": "Rate", "into": "Of the currency of the total", "day": "From this day on",
    },
    "/admin/experiments": {
        "slug": "Name", "question": "What is it to find out", "subject": "Tried on", "goal": "Decided by",
        "within_days": "Within how many days", "size": "Holders that it needs", "place": "Words: where",
        "variant": "Name", "share": "Share of 100 readers", "title": "Words: headline", "text": "Words: text",
        "every_days": "Words beside an article: on a device once in days",
    },
    "/admin/gift-links": {"owner": "Given by"},
    "/admin/institutions": {"domains": "Mail domains", "slug": "Short name"},
    "/admin/movements": {"kind": "What happened", "cause": "Why"},
    "/admin/cancellations": {"tenure": "After"},
    "/admin/offers": {
        "name": "Name that readers see", "plan": "Plan that it opens", "amount": "Price", "currency": "Currency",
        "interval": "Paid each, or a pass lasts", "interval_count": "Number of these", "sold_to": "For whom",
        "trial_days": "Free days at first", "intro_amount": "What each first period costs",
        "intro_periods": "For how many periods", "most_seats": "Sold by the seat, up to",
    },
    "/admin/readers": {"name": "Save this view as", "source": "Came to buy by", "status": "Subscription"},
    "/admin/rules": {
        "prompt": "Name, for the newsroom", "title": "Headline", "text": "Text", "meter": "Name",
        "meter_anonymous": "Free articles without signing in", "meter_registered": "Free articles for registered readers",
        "meter_days": "How many days from a reader’s first article", "meter_sections": "Sections, one a line",
        "meter_tags": "Tags, one a line", "meter_window": "Counted over", "prompt_sections": "Sections, one a line",
        "starts_at": "From", "ends_at": "Until", "every_days": "Beside an article: once in how many days on a device",
    },
    "/admin/sharing": {"days": "In the last days", "devices": "Or devices, from", "networks": "Networks on a day, from"},
    "/admin/stripe-figures": {
        "day": "At the end of", "value": "Stripe’s figure", "discounts": "Deducted from MRR", "churn": "Lost",
        "start": "Counted since",
    },
}  # fmt: skip
"""Where a page calls a field otherwise than the others do."""
_LONGEST = 60
"""Of a name: what there is no field of is the caller's."""


def words_of(path: str, name: str) -> str:
    """What the page at `path` calls its field."""
    for page, words in _ON_PAGES.items():
        if name in words and (path == page or path.startswith(f"{page}/")):
            return words[name]
    return _ANYWHERE.get(name) or name.replace("_", " ").replace(".", " ").capitalize()


def refusal_of(path: str, errors: Iterable[Mapping[str, Any]]) -> str:
    """A sentence for each of Pydantic's errors: the field as the page calls it, and what is wrong with its value."""
    return " ".join(dict.fromkeys(_sentence(path, each) for each in errors))


def _sentence(path: str, error: Mapping[str, Any]) -> str:
    said = said_of(error).removesuffix(".")
    place = error["loc"]
    if place[:1] == ("query",):
        name = "".join(str(part) for part in place[1:2])[:_LONGEST]
    else:
        # Within a list a number follows; the last part may be what was tried of a union.
        within = place[1:] if place[:1] == ("body",) else place
        name = next((p for p in reversed(within) if isinstance(p, str) and p.isidentifier()), "")
    return f"{words_of(path, name)}: {said}." if name else f"{said[:1].upper()}{said[1:]}."
