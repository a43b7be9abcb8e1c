"""What the local Stripe keeps of one subscription: made by its own code once for each kind, then copied.

Playing a year of thousands of subscriptions would take minutes. A kind is what decides which documents
there are: the price, whether there was a trial, how many periods were billed, what became of the last
invoice and of the subscription. One of each kind is played in a world of its own, and copied with other
ids and times for each subscription of it. So the copies are what the local Stripe would have made.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from service.demo.history.copies import NO_FEEDBACK, Document, Kind, PaidOnce, Sample
from service.demo.history.courses import FINALISED_AFTER, TRIED_EVERY, Key, is_at_home
from service.simulator.api import ApiRequest, answer
from service.simulator.app import create_world
from service.simulator.periods import DAY
from service.simulator.store import Due, Store
from service.simulator.world import World

_ID = re.compile(r"\b(?:cus|pm|sub|si|in|il|inpay|pi|ch|di|txn|seti)_[A-Za-z0-9]{8,}")
_TIME = re.compile(r"(?<![\w.\"-])(?:1[5-9]|2\d)\d{8}(?![\w.\"])")
"""Seconds, of this century: no amount is that large."""
_CATALOGUE = ("product", "price", "coupon", "promotion_code")
_COPIED = (
    "customer", "payment_method", "subscription", "discount", "invoice", "invoice_payment",
    "payment_intent", "charge", "balance_transaction",
)  # fmt: skip
_EMAIL, _NAME = "sample@example.org", "Sample Person"
_ASKED_AFTER, _RESTS_FOR = timedelta(hours=5), 20 * DAY
_GOOD, _ABROAD, _BAD = "pm_card_visa", "pm_card_ie", "pm_card_chargeCustomerFail"
"""Cards; of one abroad the fee is higher."""
_DECLINE = "generic_decline"
"""What the bank says of `_BAD`."""
_COUNTRY = re.compile(r'(?<="country":")[A-Z]{2}(?=")')
_AVAILABLE, _PAYOUT, _COMMENT = '"available_on":', '"_sim":{"payout":', '"comment":'


class Samples:
    """Plays a sample of each kind that is asked for, once. `prices` are those at the local Stripe,
    `discounts` what takes something off them: a coupon or a promotion code, by its parameter.
    """

    def __init__(
        self,
        store: Store,
        prices: Mapping[Key, str],
        discounts: Mapping[Key, Mapping[str, str]],
        public_url: str,
    ) -> None:
        self._catalogue = [each for kind in _CATALOGUE for each in store.find(kind)]
        self._prices, self._discounts = prices, discounts
        self._public_url = public_url
        self._played: dict[Kind | PaidOnce, Sample] = {}

    def sample(self, kind: Kind | PaidOnce) -> Sample:
        if kind not in self._played:
            self._played[kind] = self._play(kind)
        return self._played[kind]

    def _play(self, kind: Kind | PaidOnce) -> Sample:
        start = datetime(2025, 3, 3, 3, 3, 3, tzinfo=UTC)
        world = create_world(database=None, public_url=self._public_url, wall_now=lambda: start)
        with world.transaction():
            for document in self._catalogue:
                world.store.put(document)
        try:
            if isinstance(kind, PaidOnce):
                return _read_payment(world, _pay_once(world, kind))
            return _read(world, _Played(world, kind, self._prices, self._discounts).whole())
        finally:
            world.store.close()


@dataclass
class _Played:
    """A subscription of the kind, played in the world from its purchase on."""

    world: World
    kind: Kind
    prices: Mapping[Key, str]
    discounts: Mapping[Key, Mapping[str, str]]

    def whole(self) -> dict[str, Any]:
        """The subscription's id and the times by name, once all has been played."""
        kind, post = self.kind, self.post
        customer = post("customers", email=_EMAIL, name=_NAME)["id"]
        self.pays_with(customer, self.good)
        terms = {
            "items[0][price]": self.prices[kind.key], "customer": customer,
            "items[0][quantity]": str(kind.seats),
        }  # fmt: skip
        if kind.trial:
            terms["trial_period_days"] = "14"
        else:
            terms |= self.discounts.get(kind.key, {})
        subscription = post("subscriptions", **terms)
        times = {"started": self.now}
        if kind.trial:
            times["trial_end"] = subscription["trial_end"]
        renewals = kind.periods - (0 if kind.trial else 1)
        for number in range(renewals):
            if number == renewals - 1:
                self.bill_last(customer, subscription["id"])
            else:
                self.go(self.period(subscription["id"])[1], FINALISED_AFTER)
        since, until = self.period(subscription["id"])
        if kind.paused:
            self.go(self.now, _ASKED_AFTER)
            times["resumes"] = self.now + _RESTS_FOR
            rests = {"behavior": "void", "resumes_at": times["resumes"]}
            self.post(
                f"subscriptions/{subscription['id']}",
                **{f"pause_collection[{name}]": str(value) for name, value in rests.items()},
            )
        if kind.end == "failed":
            times["asked"] = self.now
        elif kind.end != "goes_on":
            self.go(self.now, _ASKED_AFTER)
            times["asked"] = self.now
            self.end(subscription["id"])
        return {"id": subscription["id"], "times": {**times, "since": since, "until": until}}

    def bill_last(self, customer: str, subscription: str) -> None:
        """Bill the last period, with as many tries as the kind has."""
        tries, paid = self.kind.tries, self.kind.paid
        if tries > 1 or not paid:
            self.pays_with(customer, _BAD)
        self.go(self.period(subscription)[1], FINALISED_AFTER)
        for number in range(2, tries + 1):
            if paid and number == tries:
                self.pays_with(customer, self.good)
            self.go(self.now, TRIED_EVERY)

    @property
    def good(self) -> str:
        return _GOOD if is_at_home(self.kind.key) else _ABROAD

    def end(self, subscription: str) -> None:
        if self.kind.end == "cancels":
            self.post(f"subscriptions/{subscription}", **{
                "cancel_at_period_end": "true", "cancellation_details[feedback]": NO_FEEDBACK,
            })  # fmt: skip
        else:
            _ask(self.world, "DELETE", f"subscriptions/{subscription}")

    def pays_with(self, customer: str, card: str) -> None:
        _pays_with(self.world, customer, card)

    def period(self, subscription: str) -> tuple[int, int]:
        item = self.world.fetch("subscription", subscription)["items"]["data"][0]
        return item["current_period_start"], item["current_period_end"]

    @property
    def now(self) -> int:
        return self.world.now

    def go(self, to: int, plus: timedelta) -> None:
        self.world.advance_to(datetime.fromtimestamp(to, UTC) + plus)

    def post(self, path: str, **fields: str) -> dict[str, Any]:
        return _ask(self.world, "POST", path, **fields)


def _ask(world: World, method: str, path: str, **fields: str) -> dict[str, Any]:
    encoded = urlencode(fields)
    request = ApiRequest(method, f"/v1/{path}", encoded, "Bearer sk_test_sample", None, None)
    given = answer(world, request)
    if given.status != HTTPStatus.OK:
        raise ValueError(f"no sample by {path}: {given.body}")
    document: dict[str, Any] = json.loads(given.body)
    return document


def _pays_with(world: World, customer: str, card: str) -> str:
    method = _ask(world, "POST", f"payment_methods/{card}/attach", customer=customer)["id"]
    name = "invoice_settings[default_payment_method]"
    _ask(world, "POST", f"customers/{customer}", **{name: method})
    return str(method)


def _pay_once(world: World, paid: PaidOnce) -> str:
    """The customer who has paid it."""
    customer = str(_ask(world, "POST", "customers", email=_EMAIL, name=_NAME)["id"])
    method = _pays_with(world, customer, _GOOD if paid.currency == "USD" else _ABROAD)
    terms = {"amount": str(paid.amount), "currency": paid.currency.lower(), "confirm": "true"}
    _ask(world, "POST", "payment_intents", customer=customer, payment_method=method, **terms)
    return customer


def _read_payment(world: World, customer: str) -> Sample:
    """The documents of a payment without a subscription."""
    store = world.store
    documents = [each for kind in _COPIED for each in store.find(kind)]
    documents.sort(key=lambda each: store.position(each["id"]) or 0)
    named = {customer: "customer"}
    for each in documents:
        if each["object"] == "payment_intent":
            named[each["id"]] = "payment"
        if each["object"] == "balance_transaction":
            each["_sim"] = {"payout": None}
    anchors = [(world.now, "started")]
    return _sample(documents, _with_others(named, documents), anchors, ())


def _read(world: World, played: Mapping[str, Any]) -> Sample:
    """The documents of what was played, with its ids and times named."""
    documents = _belonging(world, played["id"])
    named = _named(documents, played["id"])
    anchors = sorted({at: name for name, at in played["times"].items()}.items())
    own = {each["id"] for each in documents}
    agenda = tuple(
        (_agenda_time(due, anchors, played["times"]["until"]), due.action, named[due.subject])
        for due in world.store.agenda()
        if due.subject in own
    )
    return _sample(documents, named, anchors, agenda)


def _sample(
    documents: list[dict[str, Any]],
    named: Mapping[str, str],
    anchors: list[tuple[int, str]],
    agenda: tuple[tuple[str, str, str], ...],
) -> Sample:
    found = [_document(each, named, anchors, _fingerprint(documents)) for each in documents]
    ids = {name: identifier.partition("_")[0] for identifier, name in named.items()}
    named_times = {name for each in found for name in (*each.values, each.created) if "+" in name}
    named_times |= {at for at, *_ in agenda}
    return Sample(ids, tuple(found), agenda, tuple(sorted(named_times)))


def _belonging(world: World, subscription_id: str) -> list[dict[str, Any]]:
    """What is copied, but for earlier invoices with their payments and for cards that were replaced."""
    store = world.store
    everything = [each for kind in _COPIED for each in store.find(kind)]
    subscription = world.fetch("subscription", subscription_id)
    customer = world.fetch("customer", subscription["customer"])
    last, card = (
        subscription["latest_invoice"], customer["invoice_settings"]["default_payment_method"],
    )  # fmt: skip
    payments = {
        each["payment"]["payment_intent"]
        for each in everything
        if each["object"] == "invoice_payment" and each["invoice"] == last
    }
    charges = {
        each["id"]
        for each in everything
        if each["object"] == "charge" and each["payment_intent"] in payments
    }
    kept: dict[str, Callable[[dict[str, Any]], bool]] = {
        "invoice": lambda each: each["id"] == last,
        "payment_method": lambda each: each["id"] == card,
        "invoice_payment": lambda each: each["invoice"] == last,
        "payment_intent": lambda each: each["id"] in payments,
        "charge": lambda each: each["id"] in charges,
        "balance_transaction": lambda each: each["source"] in charges,
    }
    chosen = [
        each for each in everything if each["object"] not in kept or kept[each["object"]](each)
    ]
    for each in chosen:
        if each["object"] == "balance_transaction":
            # The sample's payout isn't copied: the next one takes it along.
            each["_sim"] = {"payout": None}
    chosen.sort(key=lambda each: store.position(each["id"]) or 0)
    return chosen


def _fingerprint(documents: list[dict[str, Any]]) -> str:
    (method,) = (each for each in documents if each["object"] == "payment_method")
    fingerprint: str = method["card"]["fingerprint"]
    return fingerprint


def _named(documents: list[dict[str, Any]], subscription_id: str) -> dict[str, str]:
    """A name for each id in the documents: those that copies know, and the others."""
    (subscription,) = (each for each in documents if each["id"] == subscription_id)
    named = {subscription_id: "subscription", subscription["customer"]: "customer"}
    if subscription["latest_invoice"]:
        named[subscription["latest_invoice"]] = "invoice"
    for each in documents:
        if each["object"] == "payment_intent":
            named[each["id"]] = "payment"
    return _with_others(named, documents)


def _with_others(named: dict[str, str], documents: list[dict[str, Any]]) -> dict[str, str]:
    """With a name for each other id, in the order in which they come."""
    for document in documents:
        for found in _ID.findall(json.dumps(document)):
            named.setdefault(found, f"id {len(named)}")
    return named


def _document(
    document: dict[str, Any],
    named: Mapping[str, str],
    anchors: list[tuple[int, str]],
    fingerprint: str,
) -> Document:
    # The id first: it is also what the copy is stored under.
    text = json.dumps({"id": document["id"], **document}, separators=(",", ":"))
    parts, values, reached = [], [], 0
    for start, end, name in sorted(_places(text, named, anchors, fingerprint)):
        if start >= reached:
            parts.append(text[reached:start])
            values.append(name)
            reached = end
    created = _time_name(document["created"], anchors) if "created" in document else ""
    return Document(document["object"], created, (*parts, text[reached:]), tuple(values))


def _places(
    text: str, named: Mapping[str, str], anchors: list[tuple[int, str]], fingerprint: str
) -> Iterator[tuple[int, int, str]]:
    """Where the text has something that differs from copy to copy, and its name."""
    for match in _ID.finditer(text):
        yield match.start(), match.end(), named[match[0]]
    for match in _TIME.finditer(text):
        # A midnight: no copy's is as long after its charge as another's.
        is_midnight = text.endswith(_AVAILABLE, 0, match.start())
        name = "available" if is_midnight else _time_name(int(match[0]), anchors)
        yield match.start(), match.end(), name
    for match in _COUNTRY.finditer(text):
        yield match.start(), match.end(), "country"
    for before, name in ((_PAYOUT, "payout"), (_COMMENT, "comment")):
        for match in re.finditer(re.escape(before) + "null", text):
            yield match.start() + len(before), match.end(), name
    for plain, name in (
        (_EMAIL, "email"), (_NAME, "name"), (fingerprint, "fingerprint"), (_DECLINE, "decline"),
        (f'"feedback":"{NO_FEEDBACK}', "feedback"),
    ):  # fmt: skip
        for match in re.finditer(re.escape(plain), text):
            begins = match.end() - len(NO_FEEDBACK) if name == "feedback" else match.start()
            yield begins, match.end(), name


def _agenda_time(due: Due, anchors: list[tuple[int, str]], until: int) -> str:
    """Months differ: what comes before a period's end is counted from there."""
    if due.action == "subscription.upcoming":
        return f"until+{due.at - until}"
    return _time_name(due.at, anchors)


def _time_name(at: int, anchors: list[tuple[int, str]]) -> str:
    """Such as `since+3600`: so long after the last of the times that have a name."""
    anchor, name = max((each for each in anchors if each[0] <= at), default=anchors[0])
    return f"{name}+{at - anchor}"
