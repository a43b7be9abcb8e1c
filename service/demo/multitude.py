"""A newspaper with as many subscribers as one likes, as rows: invented, and the same for a seed.

Two years of purchases and renewals up to `today`, and a year of reads added up by day: 100 reads and
walls for each subscriber, five of them a holder and day. Of the money each invoice is there with what
became of it (multitude_money.py). Nothing of it is at any Stripe.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from random import Random
from typing import Any

from service.db.tables import (
    Article,
    Checkout,
    CheckoutTouches,
    DomainEvent,
    HolderDay,
    LedgerDay,
    MovementRow,
    Offer,
    PromotionUse,
    Reader,
    ReaderDevice,
    RolledDay,
    Subscription,
    Touches,
)
from service.demo.multitude_bought import OFFERS, PERIODS, WEIGHTS, Bought
from service.demo.multitude_money import Payment, Table, money_tables
from service.metering.store import known_device_holder, reader_holder

VERSION = 3
"""Grows where the rows of a seed become others: what was stored of them before can't go on."""
LEFT_SHARE, OTHERS_SHARE = 0.35, 0.5
BACK_AGAIN, ON_TRIAL, PAID_LATE, BY_CHOICE = 0.1, 0.2, 0.05, 0.7
READS_A_SUBSCRIBER, READS_A_DAY = 100, 5
READING_DAYS, BUYING_DAYS, DEVICES_A_BUYER = 365, 730, 4
ARTICLES, ARTICLES_A_DAY = 400, 60
_DAY = timedelta(days=1)
_REASONS = (
    ("subscription", ""), ("meter", ""), ("free", ""), ("meter_exhausted", "subscribe"),
    ("registered_only", "register"),
)  # fmt: skip
_SOURCES = ("newsletter", "search", "social", None, None)
_CODES = ("RADIO", "MAIL", "POSTER")
_FEEDBACK = ("too_expensive", "unused", "missing_features", "other", "", "")


@dataclass(frozen=True)
class Multitude:
    """`subscribers` are those who are active on `today`, the publication's day in UTC."""

    subscribers: int
    today: date
    seed: int = 1

    @property
    def now(self) -> datetime:
        return datetime.combine(self.today, time(), UTC)

    @property
    def buyers(self) -> int:
        return int(self.subscribers * (1 + LEFT_SHARE))

    def _random(self, of: str) -> Random:
        return Random(f"{self.seed} {of}")  # noqa: S311 nobody's secret depends on it

    @cached_property
    def bought(self) -> list[Bought]:
        """All subscriptions; a tenth of the readers who left came back with another one."""
        random = self._random("bought")
        found: list[Bought] = []
        for reader in range(self.buyers):
            left = reader >= self.subscribers
            first = self._one(random, len(found), reader, left=left)
            found.append(first)
            if left and first.until is not None and random.random() < BACK_AGAIN:
                again = self._one(random, len(found), reader, left=False)
                later = max(again.since, first.until + _DAY)
                if later < self.now:
                    found.append(
                        replace(again, since=later, paid_from=later, renewals=(), failed=None)
                    )
        return found

    def _one(self, random: Random, number: int, reader: int, *, left: bool) -> Bought:
        offer = random.choices(range(len(OFFERS)), WEIGHTS)[0]
        ago = (
            BUYING_DAYS * (1 - random.random() ** 0.6)
            if not left
            else BUYING_DAYS * random.random()
        )
        since = self.now - timedelta(days=ago, seconds=random.randrange(86_400)) - _DAY
        paid = since + 14 * _DAY if random.random() < ON_TRIAL else since
        if paid >= self.now:
            paid = since
        until = None
        if left:
            stays = min(random.expovariate(1 / 150), ago)
            until = min(paid + timedelta(days=stays, minutes=1), self.now - timedelta(hours=1))
        period = timedelta(days=PERIODS[OFFERS[offer][2]])
        end = until or self.now
        renewals = tuple(
            paid + n * period
            for n in range(1 if paid == since else 0, int((end - paid) / period) + 1)
        )
        late = bool(renewals) and random.random() < PAID_LATE
        failed = renewals[-1] if late and (not left or end - renewals[-1] > 7 * _DAY) else None
        return Bought(
            number, reader, offer, since, paid, until, random.random() < BY_CHOICE, renewals, failed
        )

    def tables(self) -> Iterator[Table]:
        """Every table with its columns and rows, those first that others point to."""
        yield Offer, _OFFER, self._offers()
        yield Article, _ARTICLE, self._articles()
        yield Reader, _READER, self._readers()
        yield ReaderDevice, ("device_id", "reader_id", "linked_at"), self._devices()
        yield Subscription, _SUBSCRIPTION, self._subscriptions()
        yield MovementRow, _MOVEMENT, self._movements()
        yield PromotionUse, _USE, self._uses()
        yield Checkout, _CHECKOUT, self._checkouts()
        yield CheckoutTouches, ("checkout_id", *_TOUCHES), self._touches()
        yield Touches, ("holder", *_TOUCHES), self._holders_touches()
        yield DomainEvent, _EVENT, self._events()
        yield RolledDay, ("day", "rows", "rolled_at"), self._rolled()
        yield LedgerDay, ("day", "article_id", "reason", "wall", "rows", "counted"), self._ledger()
        yield HolderDay, _HOLDER, self._holders()
        yield from money_tables(self._payments, self.now)

    def _payments(self) -> Iterator[Payment]:
        for each in self.bought:
            yield from each.payments(self.now)

    def _offers(self) -> Iterator[Sequence[Any]]:
        for n, (offer, plan, interval, currency, amount) in enumerate(OFFERS):
            name = f"{plan.capitalize()}, each {interval} ({currency})"
            yield offer, name, plan, amount, currency, interval, 1, 0, n, self.now

    def _articles(self) -> Iterator[Sequence[Any]]:
        for n in range(ARTICLES):
            title = f"Article {n}"
            yield (
                _article(n), f"article-{n}", title, "", "", "html", "", "", "", False, "", [], [],
                self.now, "published", [], {}, 1, self.now, self.now,
            )  # fmt: skip

    def _readers(self) -> Iterator[Sequence[Any]]:
        random = self._random("readers")
        for n in range(self.buyers + int(self.subscribers * OTHERS_SHARE)):
            came = self.now - timedelta(days=BUYING_DAYS * random.random() + 1)
            address = f"reader{n}@gazette.example"
            pseudonym = _pseudonym(n) if n < self.buyers else None
            yield _reader(n), address, address, address, came, came, pseudonym

    def _devices(self) -> Iterator[Sequence[Any]]:
        for n in range(0, self.buyers, 2):
            yield _device(n), _reader(n), self.now - READING_DAYS * _DAY

    def _subscriptions(self) -> Iterator[Sequence[Any]]:
        for each in self.bought:
            offer, plan, interval, currency, amount = OFFERS[each.offer]
            ends = (each.renewals[-1] if each.renewals else each.paid_from) + timedelta(
                days=PERIODS[interval]
            )
            cancelled = each.asked_to_end(self.now)
            if each.until is None and not each.is_ending:
                cancelled = None
            after = None if cancelled is None else (cancelled - each.since).days + 1
            feedback = "" if cancelled is None else _FEEDBACK[each.number % len(_FEEDBACK)]
            reason = "" if each.by_choice else "payment_failed"
            yield (
                each.id, _reader(each.reader), f"cus_{each.reader:024x}", offer, plan,
                "active" if each.until is None else "canceled", amount, amount, amount, [], currency,
                interval, 1, each.since, ends, each.paid_from if each.paid_from > each.since else None,
                ends if each.is_ending else None, each.until, False,
                "cancellation_requested" if cancelled is not None else reason, feedback, cancelled,
                after, "", "", "", self.now, 1,
            )  # fmt: skip

    def _movements(self) -> Iterator[Sequence[Any]]:
        seen: set[int] = set()
        for each in self.bought:
            _, plan, interval, currency, amount = OFFERS[each.offer]
            kind = "reactivation" if each.reader in seen else "new"
            seen.add(each.reader)
            cause = "started" if each.paid_from == each.since else "trial_ended"
            something, nothing = (
                (plan, interval, 1, amount, amount, amount),
                (None, None, None, 0, 0, 0),
            )
            whose = _pseudonym(each.reader)
            yield each.id, 1, whose, each.paid_from, kind, cause, currency, *nothing, *something, []
            if each.until is not None:
                way, why = (
                    ("voluntary",) * 2 if each.by_choice else ("involuntary", "payment_failed")
                )
                yield (
                    each.id, 2, whose, each.until, f"churn_{way}", why, currency, *something,
                    *nothing, [],
                )  # fmt: skip

    def _checkouts(self) -> Iterator[Sequence[Any]]:
        for each in self.bought:
            bought, reader, at = OFFERS[each.offer][0], _reader(each.reader), each.since
            day = timedelta(hours=24)
            yield (
                _checkout(each.number), bought, reader, None, "/", f"hash{each.number:x}", "completed",
                each.id, at, at + day, at + timedelta(minutes=3),
            )  # fmt: skip
            yield (
                f"{_checkout(each.number)}x", bought, reader, None, "/", f"hash{each.number:x}x",
                "expired", None, at - day, at, None,
            )  # fmt: skip

    def _uses(self) -> Iterator[Sequence[Any]]:
        """Every tenth subscription began with a code."""
        for each in self.bought[::10]:
            _, plan, _, currency, _ = OFFERS[each.offer]
            code = _CODES[each.number // 10 % len(_CODES)]
            yield (
                f"di_{each.number:x}", each.id, each.since, "SPRING", f"promo_{code}", code, plan,
                currency,
            )  # fmt: skip

    def _touches(self) -> Iterator[Sequence[Any]]:
        for each in self.bought:
            yield _checkout(each.number), *_touch(each.number, each.since)

    def _holders_touches(self) -> Iterator[Sequence[Any]]:
        """Of every third reader and device."""
        came = self.now - READING_DAYS * _DAY
        for n in range(0, self.buyers, 3):
            yield reader_holder(_reader(n)), *_touch(n, came)
        for n in range(0, self.buyers * DEVICES_A_BUYER, 3):
            yield known_device_holder(_device(n)), *_touch(n, came)

    def _events(self) -> Iterator[Sequence[Any]]:
        for each in self.bought:
            for n, at in enumerate(each.renewals):
                once = f"in_{each.number:x}_{n}"
                kind = "renewed" if n or each.paid_from == each.since else "trial_paid"
                yield (
                    f"evt_{once}", f"subscription.{kind}", _reader(each.reader), each.id, once, at, at,
                )  # fmt: skip
            asked = each.asked_to_end(self.now)
            stays = asked is not None and each.until is None and not each.is_ending
            taken_back = asked + 2 * _DAY if asked is not None and stays else None
            for kind, once, moment in (("payment_failed", f"try_{each.number:x}:1", each.failed),
                                   ("recovered", f"rec_{each.number:x}", each.recovered),
                                   ("cancel_scheduled", f"end_{each.number:x}", asked),
                                   ("resumed", f"stay_{each.number:x}", taken_back)):  # fmt: skip
                if moment is not None and moment < self.now:
                    yield (
                        f"evt_{once}", f"subscription.{kind}", _reader(each.reader), each.id, once,
                        moment, moment,
                    )  # fmt: skip

    @property
    def reading_days(self) -> list[date]:
        return [self.today - n * _DAY for n in range(READING_DAYS, 0, -1)]

    def _reads(self) -> int:
        """Of one day."""
        return self.subscribers * READS_A_SUBSCRIBER // READING_DAYS

    def _rolled(self) -> Iterator[Sequence[Any]]:
        for day in self.reading_days:
            yield day, self._reads(), self.now

    def _ledger(self) -> Iterator[Sequence[Any]]:
        part = max(1, self._reads() // (ARTICLES_A_DAY * len(_REASONS)))
        for number, day in enumerate(self.reading_days):
            for n in range(ARTICLES_A_DAY):
                article = _article((number + n) % ARTICLES)
                for reason, wall in _REASONS:
                    yield day, article, reason, wall, part, part if reason == "meter" else 0

    def _holders(self) -> Iterator[Sequence[Any]]:
        """A third read as readers, the others on devices, which are a reader's or nobody's."""
        random = self._random("holders")
        count = self._reads() // READS_A_DAY
        for day in self.reading_days:
            at = datetime.combine(day, time(12), UTC)
            readers = random.sample(range(self.buyers), min(count // 3, self.buyers))
            there = self.buyers * DEVICES_A_BUYER
            devices = random.sample(range(there), min(count - count // 3, there))
            for n in readers:
                yield day, reader_holder(_reader(n)), 5, 0, None, None
            for n in devices:
                subscribe = at if n % 5 == 0 else None
                register = at if n % 7 == 0 else None
                yield day, known_device_holder(_device(n)), 4, n % 4, subscribe, register


def _touch(n: int, at: datetime) -> Sequence[Any]:
    first, last = (_SOURCES[(n * k) % len(_SOURCES)] for k in (1, 3))
    host = None if first else "links.example"
    return at, host, first, at, host, last


def _reader(n: int) -> str:
    return f"rdr_{_scattered(n)}"


def _pseudonym(n: int) -> str:
    return f"ctm_{_scattered(n)}"


def _device(n: int) -> str:
    # Nowhere near the name of the reader with the same number.
    return f"dev_{_scattered(n + 2**31)}"


def _checkout(n: int) -> str:
    return f"cko_{n:024x}"


def _article(n: int) -> str:
    return f"art_{n:024x}"


def _scattered(n: int) -> str:
    """Ids that are stored one after the other are nowhere near each other, as random ones."""
    return f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}{n:08x}"


_OFFER = (
    "id", "name", "plan", "amount", "currency", "interval", "interval_count", "trial_days", "position",
    "created_at",
)  # fmt: skip
_ARTICLE = (
    "id", "slug", "title", "standfirst", "body_source", "body_format", "body_html", "preview_html",
    "preview_text", "cut_is_whole", "search_text", "authors", "tags", "published_at", "status", "plans",
    "source_ids", "version", "created_at", "updated_at",
)  # fmt: skip
_READER = (
    "id", "email", "email_key", "verified_key", "email_verified_at", "created_at", "pseudonym",
)  # fmt: skip
_SUBSCRIPTION = (
    "id", "reader_id", "customer_id", "offer_id", "plan", "status", "amount", "recurring_amount",
    "net_amount", "discounts", "currency", "interval", "interval_count", "started_at",
    "current_period_end", "trial_end", "cancel_at", "ended_at", "pauses_collection", "cancel_reason",
    "cancel_feedback", "cancelled_at", "cancelled_after_days", "access_stop", "outside", "payment_problem", "synced_at", "version",
)  # fmt: skip
_MOVEMENT = (
    "subscription_id", "number", "customer", "at", "kind", "cause", "currency",
    *(
        f"{side}_{name}"
        for side in ("from", "to")
        for name in ("plan", "interval", "interval_count", "listed", "recurring", "net")
    ),
    "discounts",
)  # fmt: skip
_CHECKOUT = (
    "id", "offer_id", "reader_id", "device_id", "return_to", "claim_hash", "status",
    "stripe_subscription_id", "created_at", "expires_at", "completed_at",
)  # fmt: skip
_TOUCHES = (
    "first_at", "first_referrer_host", "first_source", "last_at", "last_referrer_host",
    "last_source",
)  # fmt: skip
_USE = (
    "discount_id", "subscription_id", "at", "coupon", "promotion_code", "code", "plan", "currency",
)  # fmt: skip
_EVENT = ("id", "type", "reader_id", "subject_id", "once", "occurred_at", "recorded_at")
_HOLDER = ("day", "holder", "reads", "counted", "subscribe_wall_at", "register_wall_at")
