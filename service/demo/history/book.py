"""What the history comes to in rows, and at the local Stripe in documents."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.billing.checkouts import new_checkout
from service.billing.ledger import state_of
from service.billing.lifecycle import Terms
from service.billing.movement_rows import movement_row
from service.billing.movements import Movement
from service.billing.pass_ledger import pass_payload
from service.billing.promotions import promotion_uses
from service.db.base import Base
from service.db.tables import (
    Checkout,
    Customer,
    Grant,
    Offer,
    Pass,
    ReaderDevice,
    Seat,
    SignInAsk,
    Subscription,
    TrialCard,
)
from service.demo.history.catalogue import Catalogue
from service.demo.history.copies import Copied, Copies, Kind, PaidOnce
from service.demo.history.courses import Course, facts
from service.demo.history.documents import copied, copied_payment
from service.demo.history.lives import Life
from service.demo.history.people import SIGNED_IN_BEFORE, Buyer, Person, members
from service.demo.history.reading import Reading, Source
from service.demo.history.replay import Replayed
from service.demo.history.samples import Samples
from service.demo.history.takings import (
    Takings,
)
from service.demo.history.year import Calendar, drawn, stable_id
from service.grants.grants import plan_scope
from service.identity.consents import newsletter_row
from service.identity.readers import created, new_reader
from service.identity.touches import Touch
from service.metering.ledger import Entry
from service.metering.store import known_device_holder
from service.offers.pricing import end_of_pass
from service.offers.store import price_of
from service.outbox.domain_events import Happened
from service.outbox.event_types import EventType

_RETURN_TO = "/"
_SEAT_READS = 0.09
"""The share of days on which a member of an office reads."""
_MAIL_TAKES = timedelta(seconds=50)
"""From asking for a sign-in mail to using it."""


@dataclass
class Book:
    """What is new between `since` (not included; None: the beginning) and `until`.

    `changed` are subscriptions that were stored before, with their grants; `comps` are to be given by
    the verb that gives them: to whom, when and until when.
    """

    since: datetime | None
    until: datetime
    rows: list[Base] = field(default_factory=list)
    changed: list[Base] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    touches: list[tuple[str, Touch, datetime]] = field(default_factory=list)
    sources: list[tuple[str, Touch, datetime, Touch, datetime]] = field(default_factory=list)
    comps: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    copied: list[tuple[Kind | PaidOnce, Copied]] = field(default_factory=list)
    """What the local Stripe is to have, by its kind."""
    takings: Takings = field(init=False)

    def __post_init__(self) -> None:
        self.takings = Takings(self.is_new)

    def is_new(self, at: datetime) -> bool:
        return (self.since is None or at > self.since) and at <= self.until

    def note_event(self, happened: Happened) -> None:
        if self.is_new(happened["occurred_at"]):
            self.events.append(happened)

    def note_entry(self, entry: Entry) -> None:
        if self.is_new(entry.at):
            self.entries.append(entry)


@dataclass(frozen=True)
class Scribe:
    """Writes people and what they do into the book. `untouched`: subscriptions that are stored, and as
    the history left them; None: none is stored yet.
    """

    book: Book
    calendar: Calendar
    catalogue: Catalogue
    offers: Mapping[str, Offer]
    """By the price's id at Stripe."""
    terms: Terms
    reading: Reading
    samples: Samples
    wording: str
    untouched: frozenset[str] | None

    def signs_in(self, person: Person) -> None:
        """The reader with their device."""
        if not self.book.is_new(person.at):
            return
        reader = new_reader(person.reader_id, email=person.email, now=person.at)
        reader.verified_key, reader.email_verified_at = reader.email_key, person.at
        reader.pseudonym = stable_id("ctm", person.number)
        reader.experiment_unit = person.device
        linked = ReaderDevice(device_id=person.device, reader_id=reader.id, linked_at=person.at)
        asked = SignInAsk(holder=known_device_holder(person.device), at=person.at - _MAIL_TAKES)
        self.book.rows += [reader, linked, asked]
        self.book.note_event(created(reader))

    def comes_to_a_wall(self, person: Person) -> None:
        """What was read on the device before, up to the wall, and what led there."""
        rng = drawn("wall", person.number)
        for entry in self.reading.up_to_the_wall(person.device, person.at, rng, person.led_by):
            self.book.note_entry(entry)
        if self.book.is_new(person.at):
            holder = self.reading.holder_of(person.device)
            self.book.touches.append((holder, person.led_by, person.at))

    def reads_registered(self, person: Person, comp_until: datetime | None) -> None:
        """What somebody reads who has signed in and bought nothing; with a comp, until it ends."""
        rng = drawn("registered reads", person.number)
        day, times = self.calendar.day_of(person.at), []
        for _ in range(rng.randrange(1, 9)):
            day += rng.randrange(0, 20)
            times.append(max(self.calendar.at(day, rng), person.at + timedelta(minutes=1)))
        for at in sorted(times):
            if at > self.book.until:
                return
            piece = self.reading.piece_of(self.calendar.day_of(at), at, rng)
            whose = person.reader_id, person.device, piece, at
            if comp_until is not None and at < comp_until:
                self.book.note_entry(self.reading.read_by_grant("comp", *whose))
            else:
                self.book.note_entry(self.reading.read_by_registered(*whose, person.led_by))

    def leaves_checkout(self, person: Person) -> None:
        """A checkout that nobody came back from."""
        self.comes_to_a_wall(person)
        if not self.book.is_new(person.at):
            return
        begun = self._checkout(person, person.at, self.catalogue.sold["monthly"].offer_id, None)
        begun.status = "expired"

    def takes_pass(self, person: Person) -> None:
        """A pass that is over by now: it was paid for, and opened everything."""
        self.comes_to_a_wall(person)
        self.signs_in(person)
        at, offer = person.at + SIGNED_IN_BEFORE, self.catalogue.day_pass
        ends_at = end_of_pass(price_of(offer), at)
        row = Pass(
            id=stable_id("pi", person.number), checkout_id=stable_id("cko", person.number),
            reader_id=person.reader_id, customer_id=person.customer_id, offer_id=offer.id,
            scope=plan_scope(offer.plan), amount=offer.amount, currency=offer.currency,
            paid_at=at, starts_at=at, ends_at=ends_at, access_stop="", access_stopped_at=None,
            synced_at=ends_at, version=1,
        )  # fmt: skip
        if self.book.is_new(at):
            self.buys(person, at, offer.id)
            self.pays(person, row)
        if not self.book.is_new(ends_at):
            return
        self.book.rows += [
            row, granted("pass", row.id, person, row.scope, at, ends_at, "paid", ends_at),
        ]  # fmt: skip
        self.book.events += [
            Happened(
                type_=kind, reader_id=row.reader_id, subject_id=row.id, once=f"{kind}:{row.id}",
                occurred_at=then, before=None, after=pass_payload(row),
            )
            for kind, then in _pass_events(at, ends_at)
        ]  # fmt: skip

    def subscribes(self, buyer: Buyer) -> None:
        """A subscription from its purchase to now, and the next one of a reader who comes back."""
        person = buyer.person
        if not self.reading.tried.wins_over(person.device, person.at):
            self.leaves_checkout(person)
            return
        self.comes_to_a_wall(person)
        self.signs_in(person)
        if buyer.course.started_at > self.book.until:
            return
        first = Life(person.number, person.customer_id, buyer.course, self.catalogue.sold)
        moved = self._lives(first, buyer, ())
        if first.reason != "cancellation_requested" or buyer.comes_back_after is None:
            return
        if first.ended_at is None or first.refunds:
            return
        at = first.ended_at + buyer.comes_back_after
        if at <= self.book.until:
            course = Course(buyer.course.key, False, at, buyer.course.seats)
            if course.key == "monthly_old":
                course = Course("monthly", False, at)
            second = Life(f"{person.number}.again", person.customer_id, course, self.catalogue.sold)
            self._lives(second, buyer, moved)

    def _lives(
        self, life: Life, buyer: Buyer, others: tuple[Movement, ...]
    ) -> tuple[Movement, ...]:
        person, course = buyer.person, life.course
        row = Subscription(id=life.id, version=0, access_stop="", outside="", joined_at=None)
        replayed = Replayed(row, person.reader_id, self.offers, self.terms, others)
        rng = drawn("course", life.number)
        replayed.play(life.stages(facts(course, self.calendar, rng), self.book.until))
        is_new = self.book.is_new(course.started_at)
        if is_new:
            answer = buyer.newsletter if life.number == person.number else None
            self.buys(person, course.started_at, life.sold.offer_id, life, answer)
        if self._is_ours(life):
            self._keep(life, replayed, person, is_new=is_new)
        until = replayed.open_until or course.started_at
        self.reads("subscription", person, life.number, buyer.reads, course.started_at, until)
        if course.key == "office" and life.number == person.number:
            self._shares(life, replayed, person)
        return tuple(replayed.movements)

    def _keep(self, life: Life, replayed: Replayed, person: Person, *, is_new: bool) -> None:
        row, book = replayed.row, self.book
        grant = granted(
            "subscription", row.id, person, plan_scope(row.plan), row.started_at,
            replayed.open_until, replayed.note, row.synced_at,
        )  # fmt: skip
        grant.in_grace = replayed.in_grace
        (book.rows if is_new else book.changed).extend((row, grant))
        if is_new and life.course.trial:
            book.rows.append(
                TrialCard(
                    fingerprint=life.fingerprint, subscription_id=row.id, used_at=row.started_at
                )
            )
        book.rows += [
            movement_row(each, number, stable_id("ctm", person.number))
            for number, (each, seen_at) in enumerate(
                zip(replayed.movements, replayed.seen_at, strict=True), start=1
            )
            if book.is_new(seen_at)
        ]
        book.rows += [
            each
            for each in promotion_uses(state_of(row, None), life.invoices)
            if book.is_new(each.at)
        ]
        for happened in replayed.events:
            book.note_event(happened)
        book.takings.note_life(life, self.offers)
        book.copied.append(copied(life, person, book.takings.payouts))

    def copies(self) -> Iterator[Copies]:
        """What the local Stripe is to have, once it is known what is paid out."""
        # What would have been done by now is done; a period that is over waits for the local Stripe.
        now = self.book.until.timestamp()
        for kind, own in self.book.copied:
            copies = self.samples.sample(kind).copies(own)
            copies.agenda[:] = [
                each for each in copies.agenda if each[0] > now or each[1] == "subscription.cycle"
            ]
            yield copies

    def _shares(self, life: Life, replayed: Replayed, owner: Person) -> None:
        """The seats that others have taken, and what they read by them."""
        row, until = replayed.row, replayed.open_until or life.course.started_at
        is_ours = self._is_ours(life)
        for member in members(owner, self.calendar):
            if member.at > min(until, self.book.until):
                continue
            self.signs_in(member)
            seat = Seat(
                id=stable_id("sea", member.number), subscription_id=row.id,
                reader_id=member.reader_id, email=None, created_at=life.course.started_at,
                joined_at=member.at, ended_at=None, asked_at=None,
            )  # fmt: skip
            grant = granted(
                "seat", seat.id, member, plan_scope(row.plan), member.at, until, "", row.synced_at
            )
            grant.in_grace = replayed.in_grace
            if is_ours:
                is_new = self.book.is_new(member.at)
                (self.book.rows if is_new else self.book.changed).extend((seat, grant))
            self.reads("seat", member, member.number, _SEAT_READS, member.at, until)

    def _is_ours(self, life: Life) -> bool:
        """Whether nobody but the history has stored it."""
        is_new = self.book.is_new(life.course.started_at)
        return is_new or (self.untouched is not None and life.id in self.untouched)

    def reads(
        self,
        source: Source,
        person: Person,
        number: str,
        share: float,
        since: datetime,
        open_until: datetime,
    ) -> None:
        """A read on this share of the days, each after the last by chance; 0: they are asleep.

        `number` names what lets them read.
        """
        if not share:
            return
        rng = drawn("reads", number)
        day = self.calendar.day_of(since)
        last = min(open_until, self.book.until)
        pause = math.log(1 - share)
        while True:
            day += 1 + int(math.log(1 - rng.random()) / pause)
            at = self.calendar.at(day, rng)
            if at > last:
                return
            piece = self.reading.piece_of(day, at, rng)
            if self.book.is_new(at):
                self.book.entries.append(
                    self.reading.read_by_grant(source, person.reader_id, person.device, piece, at)
                )

    def pays(self, person: Person, row: Pass) -> None:
        """A pass or a gift, with what the local Stripe has of it."""
        self.book.takings.note_pass(row)
        self.book.copied.append(copied_payment(row, person, self.book.takings.payouts))

    def buys(
        self, person: Person, at: datetime, offer_id: str, life: Life | None = None,
        newsletter: bool | None = None,
    ) -> None:  # fmt: skip
        """The completed checkout with its customer, and what was agreed to beside the offer."""
        bought = self._checkout(person, at, offer_id, life)
        bought.status, bought.completed_at, bought.reader_id = "completed", at, person.reader_id
        if life is None or life.number == person.number:
            customer = Customer(id=person.customer_id, reader_id=person.reader_id, bound_at=at)
            self.book.rows.append(customer)
        if newsletter is not None and self.wording:
            bought.newsletter, bought.newsletter_wording = newsletter, self.wording
            self.book.rows.append(
                newsletter_row(
                    person.reader_id, given=newsletter, wording=self.wording, at=at,
                    place="checkout",
                )
            )  # fmt: skip

    def _checkout(self, person: Person, at: datetime, offer_id: str, life: Life | None) -> Checkout:
        number = life.number if life is not None else person.number
        checkout = new_checkout(
            stable_id("cko", number), offer_id=offer_id, reader_id=None, device_id=person.device,
            return_to=_RETURN_TO, claim_hash="", now=at - timedelta(minutes=2),
        )  # fmt: skip
        checkout.seats = life.course.seats if life is not None else 1
        checkout.stripe_subscription_id = life.id if life is not None else None
        self.book.rows.append(checkout)
        self.book.sources.append((checkout.id, person.led_by, person.at, person.led_by, person.at))
        return checkout


def _pass_events(
    bought_at: datetime, ends_at: datetime
) -> tuple[tuple[EventType, datetime], tuple[EventType, datetime]]:
    return ("pass.bought", bought_at), ("pass.ended", ends_at)


def granted(
    source: Source, reference: str, person: Person, scope: str, starts_at: datetime,
    ends_at: datetime | None, note: str, now: datetime,
) -> Grant:  # fmt: skip
    """A grant of the person's."""
    return Grant(
        id=stable_id("grt", reference), reader_id=person.reader_id, source=source,
        reference=reference, scope=scope, starts_at=starts_at, ends_at=ends_at, in_grace=False,
        note=note, created_at=starts_at, updated_at=now,
    )  # fmt: skip
