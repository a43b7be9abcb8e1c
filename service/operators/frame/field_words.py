"""What the pages call the fields of their forms, where they are named outside of the form: in refusals, and in lists
of what was entered.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from service.reports.dimension_words import WORDS as DIMENSIONS
from service.wrong_values import said_of, told_of

_ANYWHERE: Mapping[str, str] = {
    **DIMENSIONS,
    "addresses": "Address list", "agent": "AI agents acting for a user",
    "agents": "User agents in robots.txt", "article": "Article URL or slug", "at": "When",
    "category": "Purpose", "contact": "Contact e-mail address", "csv": "CSV list",
    "custom": "URL to request a licence", "description": "Description",
    "email": "E-mail address", "ends_at": "End", "entry": "Came from", "again": "Confirm new password", "licensed_sections": "Sections where training requires the licence", "span": "Period",
    "types": "Events to send",
    "feedback": "Reason", "file": "CSV file",
    "free_after_days": "Free after (days)", "free_hours": "Free for the first (hours)",
    "hosts": "Host name domains", "interval": "Interval", "keys": "Public Ed25519 signing keys",
    "label": "Label", "most_ended": "Maximum share of active entitlements to end",
    "note": "Reason", "present": "Current password", "owner": "Owner’s e-mail address or id", "payment": "Payment",
    "permits": "Permitted uses", "plans": "Plans with access", "prohibits": "Prohibited uses",
    "position": "Position", "sure": "I am sure", "query": "E-mail address or id", "reference": "Reference",
    "search": "Search engines", "split": "Break down by", "sort": "Sort by",
    "standard": "URL of a standard licence", "subscribers_after_days": "Subscribers only after (days)",
    "target": "Object", "text": "New note", "training": "AI training crawlers", "until": "Last day",
    "url": "URL", "who": "Reader", "zone": "Time zone", "actor": "By",
}  # fmt: skip
"""By the field's name. Of others the name itself is what the page calls them."""
_ON_PAGES: Mapping[str, Mapping[str, str]] = {
    "/admin/account": {"code": "Code from your authenticator app", "password": "New password"},
    "/admin/articles": {"query": "Search words or slug", "from": "Figures from"},
    "/admin/crawlers/addresses": {"name": "Crawler"},
    "/admin/crawlers/crawler": {"name": "Short name"},
    "/admin/entitlements": {"source": "Source", "query": "Reference, or a reader’s e-mail address or id"},
    "/admin/exchange-rates": {
        "currency": "From currency", "rate": "Rate", "into": "To currency", "day": "Valid from",
    },
    "/admin/experiments": {
        "slug": "Name", "question": "Question to answer", "subject": "Tests", "goal": "Goal",
        "within_days": "Conversion window", "size": "Sample size", "place": "Text: place",
        "variant": "Name", "share": "Share of readers (percent)", "title": "Text: headline", "text": "Text: body",
        "every_days": "Text beside an article: show once every … days per device",
        "sections": "Text: sections", "languages": "Text: article languages",
        "anonymous": "Limits: free articles without signing in",
        "registered": "Limits: free articles for registered readers",
    },
    "/admin/gift-links": {"owner": "Given by"},
    "/admin/institutions": {"domains": "E-mail domains", "slug": "Short name"},
    "/admin/jobs": {"status": "State"},
    "/admin/movements": {"kind": "Movement", "cause": "Reason"},
    "/admin/cancellations": {"tenure": "Tenure", "comments": "Only with comments"},
    "/admin/offers": {
        "name": "Name shown to readers", "plan": "Plan", "amount": "Price", "currency": "Currency",
        "interval": "Billing interval, or duration of a pass", "interval_count": "Number of intervals", "sold_to": "Available to",
        "trial_days": "Trial days", "intro_amount": "Introductory price per period",
        "intro_periods": "Number of introductory periods", "most_seats": "Maximum seats",
        "from": "Sold from",
    },
    "/admin/operators": {"password": "Initial password"},
    "/admin/readers": {"from": "First seen from", "name": "Save this view as", "source": "Source of purchase", "status": "Subscription"},
    "/admin/reports": {"series": "Show"},
    "/admin/rules": {
        "prompt": "Internal name", "title": "Headline", "text": "Text", "meter": "Name",
        "meter_anonymous": "Free articles without signing in", "meter_registered": "Free articles for registered readers",
        "meter_days": "Days from the reader’s first article", "meter_sections": "Sections, one per line",
        "meter_tags": "Tags, one per line", "meter_window": "Counting period", "prompt_sections": "Sections, one per line",
        "starts_at": "From", "ends_at": "Until", "every_days": "Beside an article: show once every … days per device",
        "meter_former": "Free articles for former subscribers", "left_at_most": "Countdown: show when this many articles are left",
        "draft": "Visibility", "meter.window": "Counting period", "meter.days": "Days from the reader’s first article",
        "meter.anonymous": "Free articles without signing in", "meter.registered": "Free articles for registered readers",
        "meter.former": "Free articles for former subscribers", "meter.carry_count": "Count articles read before signing in",
        "cookieless.per_day": "Articles a day per network (/24, /48) for readers without cookies",
        "walls.subscribe_wall.title": "Subscribe wall: headline", "walls.subscribe_wall.text": "Subscribe wall: text",
        "walls.register_wall.title": "Register wall: headline", "walls.register_wall.text": "Register wall: text",
        "walls.purpose": "What subscriptions pay for", "previews.blocks": "Maximum public blocks of text",
        "previews.words": "Maximum public words", "previews.withheld_percent": "Minimum share of words behind the wall",
        "gift_links.per_month": "Gift links per subscriber and month", "gift_links.days": "Days until a new gift link expires",
        "gift_links.readers": "Devices that can open a new gift link", "devices.per_reader": "Signed-in devices per reader",
        "elsewhere.by_account": "Readers can claim an external entitlement",
        "elsewhere.provisional_days": "Days of access before a list confirms their number",
    },
    "/admin/sign-in": {"code": "Six-digit code"},
    "/admin/stripe-import": {"offer": "Subscriptions with a price that isn’t in your catalogue"},
    "/admin/subscribers": {"email": "New e-mail address"},
    "/admin/sharing": {"days": "Days", "devices": "Or minimum devices", "networks": "Minimum networks per day"},
    "/admin/stripe-figures": {
        "day": "As of the end of", "value": "Stripe’s figure", "discounts": "Deducted from MRR", "churn": "Lost",
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
    return " ".join(dict.fromkeys(_sentence(path, each) for each in told_of(errors)))


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
