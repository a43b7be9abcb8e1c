"""The import of subscribers as a job: the back office asks for it, and shows how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.adopt import adoptions_of
from service.billing.brought_in import Brought
from service.billing.import_subscribers import Import, NotThisAccount, import_subscribers
from service.db.context import Context
from service.db.tables import Job
from service.jobs.noting import noting, run_after
from service.jobs.queue import ClaimedJob, enqueue
from service.jobs.runner import TaskName
from service.jobs.worker import GivenUp, Kind, Postponed, work
from service.offers.pricing import InvalidPrice
from service.payments.gateway import Gateway, GatewayUnavailable

KIND = "stripe-import"
IMPORT_TASK = TaskName("stripe import")
STRIPE_IS_AWAY = timedelta(minutes=5)
_CHOOSE_AGAIN = "Nothing was imported. Choose another offer for this price, or “Don’t import them”, and try again."


async def import_jobs(session: AsyncSession, *, most: int) -> list[Job]:
    """The last ones, the newest first."""
    found = await session.scalars(
        select(Job)
        .where(Job.kind == KIND)
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(most)
    )
    return list(found)


async def ask_import(
    session: AsyncSession,
    *,
    started_by: str,
    dry_run: bool,
    prices: Mapping[str, str],
    now: datetime,
) -> str | None:
    """Have the account's subscribers imported soon; the id of the run, None where one waits or runs already.

    `prices` are prices at Stripe with the offer that each is to be like. Wake IMPORT_TASK afterwards. `now` is
    wall time.
    """
    # Looked up first: a run that is asked for from here on has the same id, or waits below.
    last = next(iter(await import_jobs(session, most=1)), None)
    waits = await session.scalar(select(Job.id).where(Job.kind == KIND, Job.status == "waiting"))
    if waits is not None:
        return None
    run_id = run_after(last, "imp")
    payload = {"started_by": started_by, "dry_run": dry_run, "prices": dict(prices), "found": None}
    is_new = await enqueue(session, kind=KIND, key=run_id, now=now, payload=payload)
    return run_id if is_new else None


@dataclass(frozen=True)
class Importer:
    """Does the runs that are asked for; any number of processes may do so.

    A run that was killed begins anew: what it had imported counts as known then.
    """

    context: Context
    gateway: Gateway

    async def round(self) -> int:
        """How many runs were done."""
        return await work(self.context.database, {KIND: Kind(self.run)}, self.context.clocks)

    async def run(self, job: ClaimedJob) -> str:
        wanted = job.payload
        at = _At()
        try:
            adoptions = await adoptions_of(self.context, self.gateway, wanted["prices"])
            run = Import(
                self.context, self.gateway, adoptions, wanted["dry_run"], wanted["started_by"],
                progress=at.take,
            )  # fmt: skip
            async with noting(self.context.database, job, at.found):
                brought = at.brought = await import_subscribers(run)
        except NotThisAccount as error:
            raise GivenUp(str(error)) from error
        except InvalidPrice as error:
            raise GivenUp(f"{error}. {_CHOOSE_AGAIN}") from error
        except GatewayUnavailable as error:
            raise Postponed(str(error), STRIPE_IS_AWAY) from error
        return brought.result


class _At:
    """How far a run is."""

    def __init__(self) -> None:
        self.brought = Brought()

    def take(self, brought: Brought) -> None:
        self.brought = brought

    def found(self) -> Mapping[str, Any]:
        return {"found": self.brought.document()}
