"""The invented readers of a day: who bought, who only registered, who took a pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.demo.history.courses import OFFICE_SEATS, Course, choose_key
from service.demo.history.names import person, touch
from service.demo.history.year import CAMPAIGN_DAYS, Calendar, drawn, poisson, purchases, stable_id
from service.identity.touches import Touch

SIGNED_IN_BEFORE = timedelta(minutes=3)
_COMES_BACK = 0.12


@dataclass(frozen=True)
class Person:
    """Somebody who signed in at `at`. `number` names them among all, `device` is what they used."""

    number: str
    at: datetime
    name: str
    email: str
    led_by: Touch

    @property
    def reader_id(self) -> str:
        return stable_id("rdr", self.number)

    @property
    def device(self) -> str:
        return stable_id("dev", "person", self.number)

    @property
    def customer_id(self) -> str:
        return stable_id("cus", self.number)


@dataclass(frozen=True)
class Buyer:
    """Who bought a subscription, what, and how often they read: the share of days with a read."""

    person: Person
    course: Course
    reads: float
    newsletter: bool
    comes_back_after: timedelta | None
    """After the subscription has ended, to buy another one."""


def buyers(day: int, calendar: Calendar, size: int) -> Iterator[Buyer]:
    """Those of the day who buy a subscription."""
    for number in range(purchases(day, calendar, size)):
        someone = _person("buyer", day, number, calendar)
        rng = drawn("choices", someone.number)
        key = choose_key(day, rng)
        seats = rng.choice(OFFICE_SEATS) if key == "office" else 1
        is_tried = key in ("monthly_old", "monthly")
        course = Course(key, is_tried, someone.at + SIGNED_IN_BEFORE, seats)
        reads = 0.0 if rng.random() < 0.1 else rng.betavariate(1.2, 10)
        newsletter, back = rng.random() < 0.42, rng.random() < _COMES_BACK
        after = timedelta(days=rng.randrange(20, 120))
        yield Buyer(someone, course, reads, newsletter, after if back else None)


def registered(day: int, calendar: Calendar, size: int) -> Iterator[Person]:
    """Those of the day who sign in to read some more and buy nothing."""
    for number in range(poisson(size * 0.0016, drawn("registered", day))):
        yield _person("registered", day, number, calendar)


def pass_buyers(day: int, calendar: Calendar, size: int) -> Iterator[Person]:
    """Those of the day who buy a pass for a day."""
    for number in range(poisson(size * 0.0005, drawn("passes", day))):
        yield _person("pass", day, number, calendar)


def undecided(day: int, calendar: Calendar, size: int) -> Iterator[Person]:
    """Those of the day who begin a checkout and leave it."""
    mean = size * (0.011 if day in CAMPAIGN_DAYS else 0.0022)
    for number in range(poisson(mean, drawn("undecided", day))):
        yield _person("undecided", day, number, calendar)


def members(owner: Person, calendar: Calendar) -> Iterator[Person]:
    """Those who take a seat in an office's subscription, some days after it was bought: fewer than it has."""
    begun = calendar.day_of(owner.at)
    for number in range(2 + drawn("members", owner.number).randrange(2)):
        name = f"{owner.number}.seat.{number}"
        rng = drawn(name)
        named, email = person(rng, f"s{owner.number.partition('.')[2]}.{number}")
        at = calendar.at(begun + rng.randrange(1, 12), rng)
        yield Person(name, at, named, email, Touch())


@dataclass(frozen=True)
class Given:
    """A gift subscription, and who redeems it; None: nobody has until now."""

    buyer: Person
    receiver: Person | None


def gifts(day: int, calendar: Calendar, size: int) -> Iterator[Given]:
    """Those of the day."""
    for number in range(poisson(size * 0.00015, drawn("gifts", day))):
        buyer = _person("gift", day, number, calendar)
        rng = drawn("receiver", buyer.number)
        named, email = person(rng, f"gr{day}.{number}")
        at = buyer.at + timedelta(minutes=rng.randrange(10, 50))
        receiver = Person(f"{buyer.number}.receiver", at, named, email, Touch())
        yield Given(buyer, receiver if rng.random() < 0.75 else None)


def _person(kind: str, day: int, number: int, calendar: Calendar) -> Person:
    name = f"{kind}.{day}.{number}"
    rng = drawn(name)
    at = calendar.at(day, rng)
    named, email = person(rng, f"{day}.{number}" if kind == "buyer" else f"{kind[0]}{day}.{number}")
    return Person(name, at, named, email, touch(day, rng))
