"""What a newspaper has beside its own sales: rights from elsewhere, institutions, gift links, shared accounts,
exchange rates, Stripe's own figures. A few of each, stored by the verbs that store real ones, each at its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.context import Context
from service.db.tables import Article, Grant, Reader
from service.demo.history.year import Calendar, drawn, stable_id
from service.grants.gift_links import make_link, open_link
from service.grants.institution_reads import InstitutionReads
from service.grants.institutions import InstitutionTerms, put_institution
from service.grants.places import SEPARATOR, InstitutionNetworks
from service.grants.right_readers import SentRight
from service.grants.rights import put_right
from service.identity.reader_uses import ReaderUses
from service.metering.window import window_at
from service.operators.rates.changes import Pair, enter_rate
from service.operators.stripe_figures.entries import Asked, compared, enter
from service.reports.agreement import Counted, StripeSettings

_PLAN = "digital"
_MONTHS = 12
_MONTH = timedelta(days=30)
_PRINT = "print"
_INSTITUTIONS = (
    # slug, name, domain, network (RFC 5737), and for how many days: the last contract is over
    ("haldermouth-college", "Haldermouth College", "college.example", "198.51.100.0/25", 800),
    ("ternsey-library", "Ternsey Library", "library.example", "203.0.113.0/24", 540),
    ("sound-line", "Sound Line", "soundline.example", "192.0.2.64/26", 300),
)
_CONTRACTS_BEGAN = 330
"""Days ago."""
_FIGURES: Sequence[tuple[Counted, str, int, StripeSettings, int]] = (
    # figure, currency, how many days ago, how Stripe counts, and what of it nothing explains
    ("active-subscribers", "", 58, StripeSettings(), 0),
    ("mrr", "EUR", 28, StripeSettings(discounts="all"), 0),
    ("mrr", "EUR", 0, StripeSettings(discounts="none"), 1400),
)
_READS_KNOWN = 30
"""Days, of institutions."""
_SHARED_DAYS = 7


@dataclass(frozen=True)
class Beside:
    """Writes it into a demo whose readers are stored, up to now."""

    context: Context
    calendar: Calendar
    now: datetime
    actor: str

    async def write(self) -> None:
        await self._rates()
        async with self.context.database.transaction() as session:
            began = self.calendar.day_of(self.now) - _CONTRACTS_BEGAN
            for slug, name, domain, network, days in _INSTITUTIONS:
                then = self.calendar.midnight(began)
                terms = InstitutionTerms(
                    name, _PLAN, (domain,), (network,), self.calendar.midnight(began + days)
                )
                await put_institution(session, self._at(then), slug, terms, actor=self.actor)
            await self._rights(session)
            await self._links(session)
            # Not the first ones: those gave articles away.
            sharing = (await self._subscribers(session))[5:7]
        await self._uses(sharing)
        await self._reads()
        await self._figures()

    def _at(self, then: datetime) -> Context:
        return Context(self.context.settings, Clocks(lambda: then), self.context.database)

    async def _rates(self) -> None:
        """Of each month, as somebody enters them from the central bank's list."""
        rng, rate = drawn("rates"), Decimal("0.9120")
        for number in range(_MONTHS, -1, -1):
            then = self.now - number * _MONTH
            rate += Decimal(rng.randrange(-120, 121)) / 10_000
            pair = Pair("USD", "EUR", self.calendar.date(self.calendar.day_of(then)))
            await enter_rate(self._at(then), pair, rate, actor=self.actor)

    async def _rights(self, session: AsyncSession) -> None:
        """Print subscribers: some are readers here, the others are known by number and postcode."""
        registered = await session.scalars(
            select(Reader.email)
            .where(Reader.email.is_not(None), Reader.id.not_in(select(Grant.reader_id)))
            .order_by(Reader.created_at, Reader.id)
            .limit(4)
        )
        emails = [str(each) for each in registered]
        for number, email in enumerate((*emails, *([""] * 8)), start=1):
            # By then they have read what they read without it.
            then = self.now - timedelta(days=90 - 5 * number)
            sent = SentRight(
                reference=f"P-{1000 + number}", plan=_PLAN, starts_at=then,
                ends_at=then + timedelta(days=365), email=email,
                account_number=f"{40_000 + number}", postcode="TN1 2AB",
            )  # fmt: skip
            await put_right(session, self._at(then), _PRINT, sent, actor=self.actor)

    async def _links(self, session: AsyncSession) -> None:
        """Subscribers who gave an article to others, some of whom opened it."""
        settings, rng = self.context.settings, drawn("gift links")
        articles = await session.scalars(
            select(Article.id)
            .where(Article.level.is_(None), Article.published_at <= self.now - timedelta(days=3))
            .order_by(Article.published_at.desc(), Article.id)
        )
        given = list(articles)
        for giver in (await self._subscribers(session))[:5]:
            then = self.now - timedelta(days=rng.randrange(1, 60), hours=rng.randrange(20))
            link = await make_link(
                session, reader_id=giver, article_id=rng.choice(given),
                month=window_at(then, settings.meter_span, settings.zone).start,
                days=settings.gift_link_days, most_readers=settings.gift_link_readers, now=then,
            )  # fmt: skip
            for number in range(rng.randrange(settings.gift_link_readers)):
                opened_at = min(self.now, then + timedelta(hours=1 + 5 * number))
                await open_link(session, link.id, stable_id("dev", giver, number), opened_at)

    async def _uses(self, readers: Sequence[str]) -> None:
        """Accounts that several people seem to read by."""
        uses, rng = ReaderUses(), drawn("shared")
        today = self.calendar.day_of(self.now)
        for reader in readers:
            for number in range(_SHARED_DAYS):
                for place in range(6 + rng.randrange(5)):
                    device = stable_id("dev", "shared", reader, place)
                    network = stable_id("net", reader, number, place)
                    day = self.calendar.date(today - number)
                    uses.note(reader, day, device=device, network=network)
        await uses.flush(self.context.database)

    async def _reads(self) -> None:
        """What was read from the institutions' networks, mostly on weekdays."""
        zone, rng = self.context.settings.zone, drawn("institutions")
        reads = InstitutionReads(InstitutionNetworks(), zone)
        for back in range(_READS_KNOWN):
            then = self.now - timedelta(days=back)
            busy = 3 if then.astimezone(zone).weekday() > 4 else 16
            for place, (slug, _, _, network, _) in enumerate(_INSTITUTIONS[:2]):
                for _ in range(rng.randrange(busy) // (place + 1)):
                    reads.note(f"{slug}{SEPARATOR}{network}", None, then)
        await reads.flush(self.context.database)

    async def _figures(self) -> None:
        """What Stripe's dashboard said at the ends of the last months: as we count, or by a setting; of the
        latest figure something is left to look for.
        """
        today = self.calendar.day_of(self.now)
        for figure, currency, back, settings, unexplained in _FIGURES:
            at = self.calendar.midnight(today - back)
            asked = Asked(figure, currency, at, 0, settings)
            async with self.context.database.reading() as session:
                found, _ = await compared(session, asked, at)
            said = found.ours + sum(each.amount or 0 for each in found.parts) + unexplained
            then = self._at(min(self.now, at + timedelta(hours=10)))
            await enter(then, replace(asked, value=said), actor=self.actor)

    async def _subscribers(self, session: AsyncSession) -> list[str]:
        found = await session.scalars(
            select(Grant.reader_id)
            .where(Grant.source == "subscription", Grant.ends_at > self.now)
            .order_by(Grant.created_at, Grant.id)
        )
        return list(found)
