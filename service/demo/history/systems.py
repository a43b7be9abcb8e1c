"""What a newspaper's own systems and the service's nights leave behind: keys for other systems, webhooks on their
way to them, Stripe's events, comparisons with Stripe, a trial of an import. Stored by the verbs that store real ones,
each at its time; nothing is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.brought_in import Brought
from service.billing.import_job import KIND as IMPORT
from service.billing.import_job import ask_import
from service.billing.inbox import JOB as STRIPE_EVENT
from service.billing.inbox import store_event
from service.billing.reconcile import Report, note_report, run_row
from service.billing.reconcile_job import NIGHTLY, night_run
from service.billing.reconciliations import last_run, opening_passes, store_run
from service.clock import Clocks
from service.db.context import Context
from service.db.tables import DomainEvent, Pass, Subscription, WebhookEndpoint
from service.demo.history.year import stable_id
from service.identity.callers import COMMAND
from service.identity.key_uses import KeyUses
from service.identity.secrets import derived_key
from service.jobs.nightly import next_night, plan_night
from service.jobs.noting import noting
from service.jobs.queue import ClaimedJob
from service.jobs.worker import Kind, work
from service.offers.store import live_offers
from service.operators.staff.keys import create_key, revoke_key
from service.operators.webhooks.endpoints import Endpoints
from service.outbox.webhook_answer import Answer
from service.outbox.webhook_client import Poster
from service.outbox.webhook_sender import WebhookSender
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import Targets
from service.outbox.webhooks import JOB as WEBHOOK
from service.outbox.webhooks import put_deliveries
from service.payments.gateway import StripeEvent

RECEIVER = "/demo/webhooks"
"""Where the demo takes what its own newsletter is sent (routes.py)."""
_NIGHTS = 8
_DELIVERED = 12
_EVENTS = 20
_REPLACED_AGO, _TRIED_AGO = 40, 25
"""Days: rows of jobs and deliveries stay for sixty."""
_STRIPE_TYPES = {
    "subscription.started": "customer.subscription.created",
    "subscription.renewed": "customer.subscription.updated",
    "subscription.cancel_scheduled": "customer.subscription.updated",
    "subscription.ended": "customer.subscription.deleted",
    "subscription.trial_will_end": "customer.subscription.trial_will_end",
}
"""Stripe's type of event, by ours."""
_TOOK = timedelta(seconds=2)
_KEYS = (
    # what for, its scopes, and how many days ago it was made
    ("Content system", ("articles:read", "articles:write"), 360),
    ("Data warehouse", ("reports:read", "subscribers:read"), 200),
)
_FORMER_KEY = "Former content system"
_MADE_AGO, _REVOKED_AGO = 364, 330


@dataclass(frozen=True)
class Systems:
    """Writes it into a demo whose subscriptions are stored, up to now."""

    context: Context
    now: datetime

    async def write(self) -> None:
        await self._keys()
        await self._webhooks()
        await self._events()
        await self._nights()
        await self._import()

    def _at(self, then: datetime) -> Context:
        return Context(self.context.settings, Clocks(lambda: then), self.context.database)

    def _ago(self, days: int) -> datetime:
        return self.now - timedelta(days=days)

    async def _keys(self) -> None:
        uses = KeyUses()
        for label, scopes, ago in _KEYS:
            made = await create_key(
                self._at(self._ago(ago)), COMMAND, label=label, scopes=list(scopes)
            )
            uses.note(made.row, self.now - timedelta(minutes=ago))
        await uses.flush(self.context.database)
        former = await create_key(
            self._at(self._ago(_MADE_AGO)), COMMAND, label=_FORMER_KEY, scopes=["articles:write"]
        )
        await revoke_key(self._at(self._ago(_REVOKED_AGO)), COMMAND, former.row.prefix)

    async def _webhooks(self) -> None:
        """A newsletter that is sent what happens to readers; a system that isn't sent anything any more."""
        url = _receiver(self.context)
        # Nothing is looked up: the address is the demo's own.
        targets = Targets(only_https=False, allow_private=True)
        made = Endpoints(self._at(self._ago(180)), targets)
        former, _ = await made.create(
            COMMAND, url=url, types=["subscription.ended"], description="Former customer database"
        )
        for event in await self._happened(["subscription.ended"], 3, self._ago(_REPLACED_AGO)):
            await self._deliver(event)
        replaced = self._at(self._ago(_REPLACED_AGO))
        await Endpoints(replaced, targets).change(COMMAND, former.id, disabled=True)
        await Endpoints(replaced, targets).create(
            COMMAND, url=url, types=["reader.created", *_STRIPE_TYPES], description="Newsletter"
        )
        for event in await self._happened([*_STRIPE_TYPES], _DELIVERED, self.now - _TOOK):
            await self._deliver(event)

    async def _deliver(self, event: DomainEvent) -> None:
        context = self._at(event.occurred_at + _TOOK)
        async with context.database.transaction() as session:
            await put_deliveries(session, {event.id: event.type}, now=event.occurred_at)
        sealing_key = derived_key(context.settings, SEALED_FOR)
        sender = WebhookSender(context.database, _RECEIVED, context.clocks, sealing_key)
        await work(context.database, {WEBHOOK: Kind(sender.run)}, context.clocks)

    async def _events(self) -> None:
        """Those that Stripe sent of the last changes: applied, since the rows are what it says."""
        for event in await self._happened([*_STRIPE_TYPES], _EVENTS, self.now - _TOOK):
            await self._receive(event, self._at(event.occurred_at + _TOOK))

    async def _receive(self, event: DomainEvent, context: Context) -> None:
        async with context.database.transaction() as session:
            row = await session.get_one(Subscription, event.subject_id)
            sent = StripeEvent(
                stable_id("evt", event.once), _STRIPE_TYPES[event.type], row.id, row.customer_id, row.id,
                event.occurred_at,
            )  # fmt: skip
            await store_event(session, sent, context.clocks.wall())
        await work(context.database, {STRIPE_EVENT: Kind(_synced)}, context.clocks)

    async def _nights(self) -> None:
        """Comparisons with Stripe, which found nothing."""
        zone = self.context.settings.zone
        for ago in range(_NIGHTS, 0, -1):
            evening = self._at(self._ago(ago))
            night = next_night(evening.clocks.business(), zone)
            if night >= self.now:
                continue
            async with self.context.database.transaction() as session:
                await plan_night(session, [NIGHTLY], zone=zone, clocks=evening.clocks)
            nightly = _Nightly(self._at(night + _TOOK))
            await work(
                self.context.database, {NIGHTLY: Kind(nightly.compare)}, nightly.context.clocks
            )

    async def _import(self) -> None:
        """A trial, which found everybody known."""
        trial = _Trial(self._at(self._ago(_TRIED_AGO)))
        async with self.context.database.transaction() as session:
            await ask_import(
                session, started_by=COMMAND.label, dry_run=True, prices={},
                now=trial.context.clocks.wall(),
            )  # fmt: skip
        await work(self.context.database, {IMPORT: Kind(trial.run)}, trial.context.clocks)

    async def _happened(
        self, types: Sequence[str], most: int, until: datetime
    ) -> list[DomainEvent]:
        """The last events of these types until then, in order."""
        async with self.context.database.reading() as session:
            found = await session.scalars(
                select(DomainEvent)
                .where(DomainEvent.type.in_(types), DomainEvent.occurred_at <= until)
                .order_by(DomainEvent.occurred_at.desc(), DomainEvent.id)
                .limit(most)
            )
            return list(found)[::-1]


class _Receiver(Poster):
    """A system that takes everything."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002 as a Poster is asked
        return Answer(204, "")


_RECEIVED = _Receiver(Targets(only_https=False, allow_private=True))


async def _synced(_: ClaimedJob) -> str:
    return "synced"


@dataclass(frozen=True)
class _Nightly:
    context: Context

    async def compare(self, job: ClaimedJob) -> str:
        then, database = self.context.clocks.business(), self.context.database
        async with database.reading() as session:
            since = await last_run(session, then)
            compared = await _compared_at(session, then)
        # Money is left for the first comparison that runs here: it fills in what it lacks.
        report = Report(compared=compared, booked=None)
        row = run_row(night_run(job.key), "nightly", then, since, fix=True)
        note_report(row, report, then + _TOOK)
        await store_run(database, row)
        return report.result


@dataclass(frozen=True)
class _Trial:
    context: Context

    async def run(self, job: ClaimedJob) -> str:
        async with self.context.database.reading() as session:
            known = await _sold_at(session, self.context.clocks.business())
        brought = Brought(read=known, known=known)
        async with noting(self.context.database, job, lambda: {"found": brought.document()}):
            return brought.result


async def _compared_at(session: AsyncSession, then: datetime) -> int:
    """How many objects a comparison looks at: each subscription of the account, passes that open something, offers with a
    price at Stripe. No checkout is under way at night.
    """
    opening = await opening_passes(session, then)
    passes = select(func.count()).where(Pass.id.in_(opening), Pass.paid_at <= then)
    offers = [
        each for each in await live_offers(session)
        if each.stripe_price_id and each.created_at <= then
    ]  # fmt: skip
    return await _sold_at(session, then) + (await session.scalar(passes) or 0) + len(offers)


async def _sold_at(session: AsyncSession, then: datetime) -> int:
    """How many subscriptions there were, over or not."""
    return await session.scalar(select(func.count()).where(Subscription.started_at <= then)) or 0


async def send_here(context: Context) -> None:
    """Send webhooks to the address that the demo has now: each start may be on another port."""
    ours = WebhookEndpoint.url.like(f"http://127.0.0.1%{RECEIVER}")
    async with context.database.transaction() as session:
        await session.execute(update(WebhookEndpoint).where(ours).values(url=_receiver(context)))


def _receiver(context: Context) -> str:
    return f"{context.settings.public_url}{RECEIVER}"
