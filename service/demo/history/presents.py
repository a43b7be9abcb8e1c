"""Gift subscriptions of the invented year: bought, and most of them redeemed within the hour."""

from service.billing.gift_subscriptions import gift_payload
from service.db.tables import GiftSubscription, Pass
from service.demo.history.book import Scribe, granted
from service.demo.history.people import SIGNED_IN_BEFORE, Given
from service.demo.history.year import stable_id
from service.grants.grants import plan_scope
from service.offers.pricing import end_of_pass
from service.offers.store import price_of
from service.outbox.domain_events import Happened

_READS = 0.11
"""The share of days on which a receiver reads."""


def gives(scribe: Scribe, given: Given) -> None:
    """What is paid once by one reader, and read by another."""
    book, buyer, receiver = scribe.book, given.buyer, given.receiver
    scribe.signs_in(buyer)
    at, offer = buyer.at + SIGNED_IN_BEFORE, scribe.catalogue.gift
    payment = Pass(
        id=stable_id("pi", buyer.number), checkout_id=stable_id("cko", buyer.number),
        reader_id=buyer.reader_id, customer_id=buyer.customer_id, offer_id=offer.id,
        scope=plan_scope(offer.plan), amount=offer.amount, currency=offer.currency,
        paid_at=at, starts_at=at, ends_at=at, access_stop="", access_stopped_at=None,
        synced_at=at, version=1,
    )  # fmt: skip
    gift = GiftSubscription(
        id=stable_id("gsb", buyer.number), checkout_id=payment.checkout_id, pass_id=payment.id,
        receiver_email=None, send_at=at, sent_at=None, created_at=at, paid_at=at, revoked_at=None,
        redeemed_at=None, redeemed_by=None, starts_at=None, ends_at=None,
    )  # fmt: skip
    bought = Happened(
        type_="gift.bought", reader_id=buyer.reader_id, subject_id=gift.id,
        once=f"gift.bought:{gift.id}", occurred_at=at, before=None,
        after=gift_payload(gift, offer),
    )  # fmt: skip
    if book.is_new(at):
        scribe.buys(buyer, at, offer.id)
        scribe.pays(buyer, payment)
        book.rows.append(payment)
        if receiver is None:
            book.rows.append(gift)
    book.note_event(bought)
    if receiver is None:
        return
    scribe.signs_in(receiver)
    gift.redeemed_at, gift.redeemed_by = receiver.at, receiver.reader_id
    gift.starts_at, gift.ends_at = receiver.at, end_of_pass(price_of(offer), receiver.at)
    if book.is_new(receiver.at):
        book.rows += [
            gift,
            granted(
                "gift", gift.id, receiver, payment.scope, receiver.at, gift.ends_at, "", receiver.at
            ),
        ]
    book.note_event(
        Happened(
            type_="gift.redeemed", reader_id=receiver.reader_id, subject_id=gift.id,
            once=f"gift.redeemed:{gift.id}", occurred_at=receiver.at, before=None,
            after=gift_payload(gift, offer),
        )
    )  # fmt: skip
    scribe.reads("gift", receiver, receiver.number, _READS, receiver.at, gift.ends_at)
