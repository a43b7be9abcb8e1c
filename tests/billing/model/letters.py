"""Reads the mails about subscriptions: each day and each amount in them is Stripe's, with its meaning.

A mail is written with what the service fetched just before, so it is held to the oracle's facts at that
moment. A day or an amount in a sentence that isn't known here is a fault too.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Mail
from tests.billing.model.oracle import Facts, Oracle

DAY, AMOUNT = r"(\d{1,2} [A-Z][a-z]+ \d{4})", r"(€[\d,]+\.\d\d)"
ANYTHING = re.compile(rf"{DAY}|{AMOUNT}")


class Letters:
    """`zone` is that of the newspaper's days."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.read: set[str] = set()
        self.known: dict[str, list[Facts]] = {}
        """Of each subscription what may be stored here, the newest last."""
        self.seen: dict[str, list[Facts]] = {}
        """What was fetched in this step."""

    def saw(self, facts: Facts) -> None:
        self.seen.setdefault(facts.id, []).append(facts)

    async def check(self, session: AsyncSession, oracle: Oracle, *, is_whole: bool) -> None:
        """Read what is new. After a step that isn't whole, what it fetched may not be stored."""
        found = await session.scalars(select(Mail).where(Mail.once.is_not(None)))
        for mail in [each for each in found if each.id not in self.read]:
            self.read.add(mail.id)
            self._check_one(mail, oracle)
        for identifier, facts in self.seen.items():
            before = [] if is_whole else self.known.get(identifier, [])
            self.known[identifier] = [*before, *facts]
        self.seen = {}

    def _check_one(self, mail: Mail, oracle: Oracle) -> None:
        kind, _, rest = (mail.once or "").partition(":")
        name = self._subscription(rest, oracle)
        candidates = self.seen.get(name) or self.known.get(name, [])
        text = " ".join(f"{mail.subject}. {mail.text}".split())
        wrong = [list(self._wrong(text, facts, oracle, kind, rest)) for facts in candidates]
        assert any(not each for each in wrong), (mail.once, text, wrong)

    def _subscription(self, rest: str, oracle: Oracle) -> str:
        """The id of the one that the mail is about."""
        identifier = rest.rpartition("subscription.paused:")[2].split(":")[0]
        if identifier.startswith("re_"):
            charge = oracle.document("refund", identifier)["charge"]
            return oracle.subscription_of_charge(charge)
        if identifier.startswith("cko_"):
            return oracle.subscription_of_checkout(identifier)
        if identifier.startswith("in_"):
            details = oracle.document("invoice", identifier)["parent"]["subscription_details"]
            return str(details["subscription"])
        return identifier

    def _wrong(
        self, text: str, facts: Facts, oracle: Oracle, kind: str, rest: str
    ) -> Iterator[str]:
        """What of the text isn't so by these facts."""
        identifier = rest.split(":", maxsplit=1)[0]
        for pattern, right in self._sentences(facts, oracle, kind, identifier):
            for match in re.finditer(pattern, text):
                if match.groups() not in right():
                    yield f"{match.group()} ({sorted(right())})"
            text = re.sub(pattern, "", text)
        yield from (f"unknown: {match.group()}" for match in ANYTHING.finditer(text))

    def _sentences(
        self, facts: Facts, oracle: Oracle, kind: str, identifier: str
    ) -> Iterator[tuple[str, Callable[[], set[tuple[str, ...]]]]]:
        """Each sentence with a day or an amount, and what may stand in it."""
        charge, day, money = facts.next_charge, self._day, self._money
        price = money(facts.price[0])
        yield rf"bought “[^”]+” on {DAY} with", lambda: self._days([oracle.bought_at(facts.id)])
        yield rf"Renews on {DAY} for {AMOUNT}\.", lambda: self._charge(facts)
        yield (
            rf"Renews on {DAY} free of charge\.",
            lambda: {(day(charge[0]),)} if charge and charge[1] == 0 else set(),
        )
        yield (
            rf"Free until {DAY}, then {AMOUNT} a(?: month| year)\.",
            lambda: {(day(facts.trial_end), price)} if charge and charge[1] == facts.price[0] else set(),
        )  # fmt: skip
        yield (
            rf"Free until {DAY}, then {AMOUNT} at first\.",
            lambda: {(day(facts.trial_end), money(charge[1]))} if charge else set(),
        )
        yield (
            rf"Free until {DAY}, then free of charge at first\.",
            lambda: {(day(facts.trial_end),)} if charge and charge[1] == 0 else set(),
        )
        yield rf"Free until {DAY}\. Payments are paused", lambda: self._days([facts.trial_end])
        yield rf"[Ff]ree trial ends on {DAY}", lambda: self._days([facts.trial_end])
        yield (
            rf"subscription ends on {DAY}, and you won’t be charged again",
            lambda: self._days([facts.ends_at]),
        )
        yield rf"[Ee]nds on {DAY}\.", lambda: self._days([facts.ends_at])
        yield rf"You can read until {DAY}\. You won’t", lambda: self._days([facts.ends_at])
        yield (
            rf"(?:If it succeeds|pay the open invoice), you can read until {DAY}\.",
            lambda: self._paid(facts),
        )
        yield rf"can (?:keep reading|read) until {DAY}\.", lambda: self._days([facts.open_until])
        yield rf"access ended on {DAY}\. It resumes as soon", lambda: self._closed(facts)
        yield rf"Ended on {DAY}(?:\.| at| because)", lambda: self._days([facts.ended_at])
        yield rf"(?:your access ended on|on hold since) {DAY}", lambda: self._days(facts.stops)
        yield rf"next payment on {DAY}", lambda: self._days([facts.period_end])
        yield rf"will be charged {AMOUNT} on {DAY}", lambda: self._charge(facts)
        yield (
            rf"(?:Your payment of|confirm the payment of) {AMOUNT}(?: failed)?\.",
            lambda: {(money(facts.owed),)} if facts.owed is not None else set(),
        )
        yield rf"\({AMOUNT} a(?: month| year)\)", lambda: {(price,)}
        yield rf"”, {AMOUNT} a(?: month| year):", lambda: {(price,)}
        yield rf"you pay {AMOUNT} a(?: month| year)\.", lambda: {(price,)}
        if kind == "receipt":
            invoice = oracle.document("invoice", identifier)
            yield (
                rf"(?:Receipt from [^:]+:|received your payment of) {AMOUNT}",
                lambda: {(money(invoice["amount_paid"]),)},
            )
            yield rf"is paid until {DAY}\.", lambda: self._days(oracle.paid_until(invoice))
        if kind == "payment-failed":
            invoice = oracle.document("invoice", identifier)
            yield rf"declined the payment of {AMOUNT}", lambda: {(money(invoice["amount_due"]),)}
        if kind == "refund":
            back = oracle.document("refund", identifier)["amount"]
            yield rf"(?:refund of|refunded) {AMOUNT}", lambda: {(money(back),)}

    def _charge(self, facts: Facts) -> set[tuple[str, ...]]:
        charge = facts.next_charge
        return {(self._day(charge[0]), self._money(charge[1]))} if charge else set()

    def _paid(self, facts: Facts) -> set[tuple[str, ...]]:
        """Until when reading is open once what is owed is paid."""
        ends = [facts.period_end, *([facts.ends_at] if facts.ends_at else [])]
        return self._days([min(ends)])

    def _closed(self, facts: Facts) -> set[tuple[str, ...]]:
        """By the days of grace; of an unpaid one Stripe doesn't say since when."""
        if facts.status == "unpaid":
            return AnyDay()
        return self._days([facts.open_until])

    def _days(self, instants: Iterable[datetime | None]) -> set[tuple[str, ...]]:
        return {(self._day(at),) for at in instants if at is not None}

    def _day(self, at: datetime | None) -> str:
        if at is None:
            return "no day"
        local = at.astimezone(self.zone)
        return f"{local.day} {local:%B %Y}"

    def _money(self, amount: int) -> str:
        return f"€{amount // 100:,}.{amount % 100:02}"


class AnyDay(set[tuple[str, ...]]):
    """Holds whatever is asked for."""

    def __contains__(self, _: object) -> bool:
        return True
