"""Reconciling: everything that we believe of Stripe's, compared with what Stripe says.

First the events that Stripe sent no webhook for, as far back as Stripe lists them; then every checkout
under way, every subscription of the account and every one of ours, and every pass that still opens
something. So an outage of ours of any length is made up for.

`paywall reconcile`, the button in the back office and the night's job (reconcile_job.py) all come
here. A process killed midway leaves nothing wrong: each object is mended by a transaction of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

import structlog

from service.billing.apply_event import MONEY_REFUSED, Applier, apply_due_events
from service.billing.compare import MISSING, NOTHING, Comparer, Difference
from service.billing.customers import reader_of_customer
from service.billing.events import HANDLED, Refetch, booking_of, refetch_of
from service.billing.foreign import Foreign
from service.billing.inbox import store_event, unheard, why_behind
from service.billing.passes import sync_pass
from service.billing.patience import PAUSES, Patience
from service.billing.reconciliations import (
    UNDER_WAY,
    checkouts_under_way,
    is_closed,
    last_booked,
    last_run,
    living_subscriptions,
    opening_passes,
    store_run,
)
from service.billing.sold import sold_item
from service.billing.statuses import LIVE_STATUSES
from service.billing.unbound import keep_unbound, unbound_item
from service.db.base import new_id
from service.db.context import Context
from service.db.session import Database
from service.db.tables import Checkout, Reconciliation, Subscription
from service.finance.books import Gap
from service.finance.fill import fill
from service.offers.store import live_offers
from service.payments.books import Booking
from service.payments.gateway import (
    Gateway,
    GatewayPermissionMissing,
    GatewayRefused,
    GatewayUnavailable,
    StripeEvent,
    StripeSubscription,
)
from service.problems import Problem

MOST_KEPT = 1000
_PAGE = 100
_AT_ONCE = 4

log = structlog.get_logger()
Compare = Callable[[str], Awaitable[list[Difference]]]
Mend = Callable[[str], Awaitable[object]]
NOT_COMPARABLE = "not comparable"
_NO_EVENT = (
    "Every event of it that Stripe lists is applied: it was changed here, or its event is older "
    "than 30 days."
)


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    events: int = 0
    compared: int = 0
    found: int = 0


@dataclass(frozen=True)
class Finding:
    """A difference, and whether it was mended."""

    difference: Difference
    mended: bool


@dataclass
class Report:
    """What a run has found. `not_ours` are subscriptions that something else has sold, `booked` is how
    many objects of money were looked at; None: the key may not read them.
    """

    events_missed: int = 0
    compared: int = 0
    booked: int | None = 0
    not_ours: int = 0
    foreign: Foreign = field(default_factory=Foreign)
    """What those bring, as Stripe counts it."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def remaining(self) -> list[Difference]:
        return [each.difference for each in self.findings if not each.mended]

    @property
    def result(self) -> str:
        """What became of the run, in words."""
        return f"{self.compared} compared, {len(self.remaining)} differ"


async def reconcile(
    context: Context,
    gateway: Gateway,
    *,
    started_by: str,
    fix: bool,
    run_id: str | None = None,
    since: datetime | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    pauses: Sequence[float] = PAUSES,
) -> Report:
    """Compare everything and, with `fix`, mend it; without, nothing is written but the run itself.

    Events, and rows of money, are looked for since `since`, by default since the last run that mended. `run_id` names the
    run, which begins anew where it was begun before. Raises GatewayUnavailable when Stripe doesn't
    answer at all, or stays away for longer than all `pauses`: what was mended until then stays.
    """
    run_id = run_id or new_id("rec")
    now = context.clocks.business()
    async with context.database.reading() as session:
        booked_until = await last_booked(session)
        if since is not None and booked_until is not None:
            booked_until = min(since, booked_until)
        since = since or await last_run(session, now)
    row = run_row(run_id, started_by, now, since, fix=fix)
    await store_run(context.database, row)
    run = _Run(
        Comparer(context, gateway),
        fix, progress, Patience(tuple(pauses)),
    )  # fmt: skip
    report = await run.all(since, booked_until)
    note_report(row, report, context.clocks.business())
    await store_run(context.database, row)
    log.info(
        "reconcile.finished", events_missed=report.events_missed, compared=report.compared,
        found=row.found, remaining=row.remaining,
    )  # fmt: skip
    return report


def run_row(
    run_id: str, started_by: str, now: datetime, since: datetime, *, fix: bool
) -> Reconciliation:
    """A run that begins now."""
    return Reconciliation(
        id=run_id, started_by=started_by, started_at=now, finished_at=None, events_since=since,
        events_missed=0, compared=0, booked=None, not_ours=0, found=0, remaining=0, differences=[], fixed=fix,
    )  # fmt: skip


def note_report(row: Reconciliation, report: Report, now: datetime) -> None:
    """Put into the run what it has found until its end."""
    row.finished_at = now
    row.events_missed, row.compared = report.events_missed, report.compared
    row.not_ours, row.booked = report.not_ours, report.booked
    row.foreign = report.foreign.document()
    row.found, row.remaining = len(report.findings), len(report.remaining)
    row.differences = [_stored(each) for each in report.findings[:MOST_KEPT]]


@dataclass
class _Run:
    comparer: Comparer
    fix: bool
    progress: Callable[[Progress], None]
    patience: Patience
    report: Report = field(default_factory=Report)
    read: int = 0
    pending: set[str] = field(default_factory=set)
    """Checkouts that differ and aren't mended: what they bought is no second difference."""
    unbound: list[str] = field(default_factory=list)
    """Subscriptions of what we sell whose customers are no reader's."""
    missed: dict[str, str] = field(default_factory=dict)
    """By object, which event about it Stripe sent no webhook for."""

    @property
    def gateway(self) -> Gateway:
        return self.comparer.gateway

    @property
    def context(self) -> Context:
        return self.comparer.context

    @property
    def database(self) -> Database:
        return self.context.database

    @property
    def applier(self) -> Applier:
        """A new one each time: what it fetched earlier isn't what Stripe says now."""
        return Applier(self.context, self.gateway)

    async def all(self, since: datetime, booked_until: datetime | None) -> Report:
        await self.events(since)
        async with self.database.reading() as session:
            checkouts = await checkouts_under_way(session)
            ours = await living_subscriptions(session)
            passes = await opening_passes(session, self.context.clocks.business())
            offers = [each.id for each in await live_offers(session) if each.stripe_price_id]
        for checkout in checkouts:
            await self.checkout(checkout)
        seen = await self.subscriptions()
        for subscription_id in ours:
            if subscription_id not in seen:
                await self.compared(subscription_id, self.comparer.subscription, self.sync)
        for subscription_id in self.unbound:
            await self.compared(subscription_id, self.comparer.unbound, self.sync)
        if self.fix:
            async with self.database.transaction() as session:
                await keep_unbound(session, self.unbound)
        for pass_id in passes:
            await self.compared(pass_id, self.comparer.bought_pass, self.sync_pass)
        for offer_id in offers:
            await self.compared(offer_id, self.comparer.offer, self.comparer.withdraw)
        try:
            await self.money(booked_until)
        except GatewayPermissionMissing:
            # Without a number of rows the next run looks back as far as this one would have.
            self.report.booked = None
            refused = Difference("money", NOT_COMPARABLE, "", "", MONEY_REFUSED)
            self.report.findings.append(Finding(refused, mended=False))
            log.error("reconcile.money_refused", reason=MONEY_REFUSED)  # noqa: TRY400 foreseen
        return self.report

    async def events(self, since: datetime) -> None:
        """Those that Stripe sent no webhook for, stored the oldest first, and applied."""
        missed: list[StripeEvent] = []
        page: list[StripeEvent] = []
        listed = self.patience.listing(lambda: self.gateway.events(since=since, types=HANDLED))
        async for event in listed:
            page.append(event)
            if len(page) == _PAGE:
                missed += await self.unheard(page)
                page = []
        missed += await self.unheard(page)
        self.report.events_missed = len(missed)
        for event in missed:
            reason = f"Stripe sent no webhook for its event {event.id} ({event.type})."
            self.missed |= {event.object_id: reason, event.subscription_id or "": reason}
        if not self.fix:
            return
        missed.sort(key=lambda each: (each.created_at, each.id))
        last = {_asked(event): event.id for event in missed}
        for event in missed:
            async with self.database.transaction() as session:
                await store_event(
                    session, event, self.context.clocks.wall(), told_by="reconcile",
                    applies=last[_asked(event)] == event.id,
                )  # fmt: skip
        await self.apply()

    async def unheard(self, page: list[StripeEvent]) -> list[StripeEvent]:
        self.read += len(page)
        self.show_progress()
        async with self.database.reading() as session:
            return await unheard(session, page)

    async def apply(self) -> None:
        await apply_due_events(self.context, self.gateway)

    async def money(self, since: datetime | None) -> None:
        """What is kept of money: all that Stripe lists since then, and what was open.

        None: nothing was ever kept. Then a run that mends fills in all there is, and one that
        doesn't has nothing to compare with.
        """
        if since is None and not self.fix:
            return
        # A move of the balance is listed by itself, with what it is about, and with its payout.
        told: set[str] = set()
        looks = fill(self.context, self.gateway, since, self.patience.listing, fix=self.fix)
        async for number, found in looks:
            self.report.booked = (self.report.booked or 0) + number
            # At the first filling nothing is a difference.
            for gap in found if since is not None else ():
                if gap.id in told:
                    continue
                told.add(gap.id)
                self.report.findings.append(Finding(await self.absent(gap), mended=self.fix))
            self.show_progress()

    async def absent(self, gap: Gap) -> Difference:
        async with self.database.reading() as session:
            reason = await why_behind(session, gap.id) or self.missed.get(gap.id) or _NO_EVENT
        what = "money" if gap.here else MISSING
        return Difference(gap.id, what, gap.here or NOTHING, gap.stripe, reason)

    async def checkout(self, row: Checkout) -> None:
        session_id, status = row.stripe_session_id or "", row.status

        async def compare(_: str) -> list[Difference]:
            async with self.database.reading() as session:
                now = await session.get(Checkout, row.id)
            if now is None or now.status not in UNDER_WAY:
                return []
            return await self.comparer.checkout(session_id, status)

        if await self.compared(session_id, compare, self.applier.checkout):
            self.pending.add(row.id)

    async def subscriptions(self) -> set[str]:
        """Every one of the account; the ids of those that were compared."""
        seen: set[str] = set()
        some: list[str] = []
        async for listed in self.patience.listing(self.gateway.subscriptions):
            belongs = await self.belongs(listed)
            if belongs != "not ours":
                self.report.foreign.add_ours(listed)
            match belongs:
                case "not ours":
                    self.report.not_ours += 1
                    self.report.foreign.add(listed)
                case "unbound":
                    self.unbound.append(listed.id)
                case "compare":
                    some.append(listed.id)
                case _:
                    self.report.compared += 1
            seen.add(listed.id)
            if len(some) == _AT_ONCE:
                await self.side_by_side(some)
                some = []
        await self.side_by_side(some)
        return seen

    async def side_by_side(self, some: list[str]) -> None:
        comparing = (self.compared(each, self.comparer.subscription, self.sync) for each in some)
        for result in await asyncio.gather(*comparing, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def belongs(self, listed: StripeSubscription) -> str:
        """Whether to look closer at a subscription of the account."""
        async with self.database.reading() as session:
            row = await session.get(Subscription, listed.id)
            if row is not None:
                same = row.status == listed.status and listed.status not in LIVE_STATUSES
                return "agreed" if same and await is_closed(session, row) else "compare"
            checkout_id = listed.metadata.get("checkout")
            checkout = await session.get(Checkout, checkout_id) if checkout_id else None
            if await reader_of_customer(session, listed.customer_id) is None:
                if checkout is None:
                    return "unbound" if await unbound_item(session, listed) else "not ours"
                return "agreed" if checkout.id in self.pending else "compare"
            if checkout is not None and checkout.id in self.pending:
                return "agreed"
            sold = await sold_item(session, listed.items)
        return "compare" if sold is not None else "not ours"

    async def sync(self, subscription_id: str) -> None:
        await self.applier.subscription(subscription_id)
        await self.comparer.close_ended(subscription_id)

    async def sync_pass(self, pass_id: str) -> None:
        await sync_pass(self.context, self.gateway, pass_id)

    async def compared(self, object_id: str, compare: Compare, mend: Mend) -> bool:
        """Compare one object and mend it where that is wanted; whether it differs now."""
        found = await self.differences(object_id, compare)
        left = found
        if self.fix and any(each.can_be_mended for each in found):
            refusal = await self.mended(object_id, mend)
            left = [
                replace(each, reason=f"{each.reason} {refusal}".strip())
                for each in await self.differences(object_id, compare)
            ]
        still = {each.what for each in left}
        self.report.findings += [
            Finding(each, mended=True) for each in found if each.what not in still
        ]
        self.report.findings += [Finding(each, mended=False) for each in left]
        self.report.compared += 1
        self.show_progress()
        return bool(left)

    async def differences(self, object_id: str, compare: Compare) -> list[Difference]:
        try:
            found = await self.patience.ask(lambda: compare(object_id))
        except (GatewayUnavailable, Problem):
            raise
        except Exception as error:
            # One that nobody foresaw must not keep the others from being compared.
            log.exception(
                "reconcile.not_comparable",
                object=object_id,
                exc_info=not isinstance(error, GatewayRefused),
            )
            return [Difference(object_id, NOT_COMPARABLE, "", "", repr(error))]
        if not found:
            return []
        async with self.database.reading() as session:
            reason = await why_behind(session, object_id) or self.missed.get(object_id) or _NO_EVENT
        return [each if each.reason else replace(each, reason=reason) for each in found]

    async def mended(self, object_id: str, mend: Mend) -> str:
        """Bring it to what Stripe says; why not, where that failed."""
        try:
            await self.patience.ask(lambda: mend(object_id))
        except (GatewayUnavailable, Problem):
            raise
        except Exception as error:
            log.exception(
                "reconcile.not_mended",
                object=object_id,
                exc_info=not isinstance(error, GatewayRefused),
            )
            return f"It couldn't be mended: {error!r}"
        return ""

    def show_progress(self) -> None:
        self.progress(Progress(self.read, self.report.compared, len(self.report.findings)))


def _asked(event: StripeEvent) -> tuple[Refetch | None, Booking | None]:
    """What an event asks to fetch: of several that ask for the same the last one is applied."""
    refetch = refetch_of(event.type, event.object_id, event.subscription_id)
    return refetch, booking_of(event.type, event.object_id)


def _stored(finding: Finding) -> dict[str, str]:
    texts = {name: str(value) for name, value in asdict(finding.difference).items()}
    return {**texts, "mended": "yes" if finding.mended else "no"}
