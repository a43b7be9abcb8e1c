"""What sessions should be: the rules of docs/security.md in plain Python, without a database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

GRACE = timedelta(seconds=30)
CLOCKS_APART = timedelta(seconds=60)
NOTED = timedelta(hours=1)
IDLE = timedelta(days=30)
LONGEST = timedelta(days=365)
MOST = 5
TOKEN_LIFE = timedelta(minutes=10)


@dataclass(eq=False)
class Person:
    """A reader: verified by an address, or provisional with the one they typed in Checkout."""

    typed: str | None = None
    verified: str | None = None
    gone: bool = False
    """Erased, or merged into an account."""
    into: "Person | None" = None
    """The account that a provisional reader was merged into."""

    @property
    def account(self) -> "Person":
        return self if self.into is None else self.into.account


@dataclass(eq=False)
class Access:
    """An access token, by which key, and whether it must still be accepted."""

    text: str
    kid: str
    issued_at: datetime
    certain: bool = True
    """False: its key was revoked, or the clock was set back since: it may be refused already."""


@dataclass(eq=False)
class Family:
    """A session: a family of refresh tokens, the present one last."""

    id: str
    person: Person
    device: str | None
    kind: str
    generations: list[str]
    opened_at: datetime
    used_at: datetime
    rotated_at: datetime | None = None
    used_generation: int = 0
    """The youngest that anybody has shown."""
    ended: str | None = None
    access: list[Access] = field(default_factory=list)

    def is_live(self, now: datetime) -> bool:
        return self.ended is None and now < self.opened_at + LONGEST and now - IDLE < self.used_at

    def in_grace(self, now: datetime) -> bool:
        return self.rotated_at is not None and now - self.rotated_at < GRACE

    def is_good(self, generation: int, now: datetime) -> bool:
        """Whether this generation is the present one; or the one before it, as long as nobody has used
        the present one, or in its grace, whichever instance is asked.
        """
        last = len(self.generations) - 1
        return generation == last or (
            generation == last - 1
            and self.rotated_at is not None
            and (not self.is_in_use or now - self.rotated_at < GRACE + CLOCKS_APART)
        )

    @property
    def is_in_use(self) -> bool:
        """Whether anybody has shown the present generation."""
        return self.used_generation == len(self.generations) - 1

    def is_shown(self, generation: int) -> None:
        self.used_generation = max(self.used_generation, generation)


class Oracle:
    """All readers and sessions as they should be. Times are the service's wall time."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.families: list[Family] = []

    def newcomer(self, typed: str | None) -> Person:
        person = Person(typed=typed)
        self.people.append(person)
        return person

    def live_of(self, person: Person, now: datetime) -> list[Family]:
        return [each for each in self.families if each.person is person and each.is_live(now)]

    def opens(self, family: Family, now: datetime) -> None:
        """A session opens: the same device's former one ends, and those beyond the limit."""
        others = []
        for each in self.live_of(family.person, now):
            if each.device is not None and each.device == family.device:
                each.ended = "replaced"
            else:
                others.append(each)
        others.sort(key=lambda each: each.used_at, reverse=True)
        for surplus in others[MOST - 1 :]:
            surplus.ended = "too_many_devices"
        self.families.append(family)

    def verifies(self, address: str, here: Person | None) -> Person:
        """Somebody who reads the mail to `address` signs in, in the browser of `here`.

        Answers whose account it is. Who bought in that browser becomes it; nobody else does, whatever
        address they typed.
        """
        account = next((each for each in self.people if each.verified == address), None)
        buyer = here if here is not None and here.verified is None else None
        if buyer is not None:
            self.ends_all(buyer, "verified")
        if account is None:
            account = buyer or self.newcomer(address)
            account.typed = account.verified = address
        elif buyer is not None:
            buyer.gone, buyer.typed, buyer.into = True, None, account
        return account

    def shows(self, family: Family, generation: int, now: datetime) -> bool:
        """Somebody reads with this token as cookie. False: nobody is signed in by it."""
        if not family.is_live(now):
            return False
        if not family.is_good(generation, now):
            family.ended = "reused"
            return False
        family.is_shown(generation)
        self.notes(family, now)
        return True

    def notes(self, family: Family, now: datetime) -> None:
        """The session was used; that is noted once an hour."""
        if now - family.used_at >= NOTED:
            family.used_at = now

    def refreshes(self, family: Family, generation: int, now: datetime) -> bool | None:
        """Somebody exchanges this token. True: for a new one; False: for the present one."""
        if not family.is_live(now):
            return None
        if not family.is_good(generation, now):
            family.ended = "reused"
            return None
        family.is_shown(generation)
        if family.in_grace(now) or generation < len(family.generations) - 1:
            return False
        family.rotated_at = family.used_at = now
        return True

    def ends_all(self, person: Person, reason: str) -> None:
        for family in self.families:
            if family.person is person and family.ended is None:
                family.ended = reason

    def erases(self, person: Person) -> None:
        self.ends_all(person, "erased")
        person.gone, person.typed, person.verified = True, None, None

    def doubts_access(self, kid: str | None = None) -> None:
        """A key was revoked, or (None) the clock was set back: access tokens may be refused."""
        for family in self.families:
            for access in family.access:
                if kid is None or access.kid == kid:
                    access.certain = False
