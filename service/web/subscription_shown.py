"""A subscription as its reader's pages show it: pure."""

from dataclasses import dataclass
from datetime import datetime

from service.billing.outlook import lacks_card
from service.billing.words import Language, Told, Tone, words_of
from service.offers.pricing import price_text
from service.reports.bought import SubscriptionFacts
from service.reports.standing import Standing

OVER: frozenset[Standing] = frozenset({"ended", "incomplete"})
"""After these the reader may subscribe again."""
_OWING: frozenset[Standing] = frozenset({"past_due", "unpaid"})


@dataclass(frozen=True)
class SubscriptionShown:
    """One subscription, with its words (billing/words.py).

    `owes`: reading goes on, or opens again, with a payment or another card. `pay_url` is where an open
    invoice is paid or confirmed, `pay_text` that link's words; None: no such is known.
    """

    name: str
    price: str
    status: str
    tone: Tone
    next: str
    advice: str
    owes: bool
    pay_url: str | None
    pay_text: str


def subscription_shown(
    facts: SubscriptionFacts, language: Language, now: datetime
) -> SubscriptionShown:
    """The subscription in words at the business time `now`; `next` and `advice` may be empty."""
    words = words_of(Told(facts, facts.offer_name, facts.until, now, language))
    return SubscriptionShown(
        name=facts.offer_name,
        price=price_text(facts.price),
        status=words.status,
        tone=words.tone,
        next=words.next,
        advice=words.advice,
        owes=(facts.standing in _OWING or lacks_card(facts, facts.until))
        and facts.payment_problem != "bank"
        and not facts.access_stop,
        pay_url=facts.payment_url if words.pay_text else None,
        pay_text=words.pay_text,
    )


def leaves_no_room(facts: SubscriptionFacts) -> bool:
    """Whether the reader can't subscribe beside it."""
    is_under_way = facts.standing == "incomplete" and facts.payment_problem == "bank"
    return is_under_way or (facts.standing not in OVER and facts.outside != "price")
