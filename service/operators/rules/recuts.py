"""Cutting all articles anew by the rules in force: asked for on the page of the rules, or over the API."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from fastapi import Depends
from pydantic import AwareDatetime, BaseModel

from service.content.recut_job import RECUT_TASK, ask_recut, last_recut
from service.db.context import AppContext, Context
from service.db.tables import Job
from service.identity.audit import change_by
from service.identity.callers import Actor
from service.jobs.runner import AppWakes, Wakes
from service.problems import Problem

State = Literal["waiting", "done", "failed"]


class RecutOut(BaseModel):
    """A run that cuts all articles anew: `waiting` until it has ended. `total` is null until it has begun."""

    id: str
    status: State
    asked_at: AwareDatetime
    by: str
    done: int
    """Articles."""
    total: int | None
    result: str
    """What came of it, or why it is retried, or failed for good; empty at first."""

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(
            {
                "id": job.key, "status": job.status, "asked_at": job.created_at,
                "by": job.payload["started_by"], "done": job.payload["done"],
                "total": job.payload["total"], "result": job.result,
            }
        )  # fmt: skip


def shown_recut(last: Job | None) -> RecutOut:
    """Raises Problem `not-found` where there was none."""
    if last is None:
        raise Problem("not-found", "Previews have never been rebuilt.")
    return RecutOut.of(last)


@dataclass(frozen=True)
class Recuts:
    """Asks for runs, each in a transaction of its own."""

    context: Context
    wakes: Wakes

    async def ask(self, actor: Actor) -> RecutOut:
        """Begin a run, unless one goes on: that one then."""
        async with change_by(self.context, actor.label) as change:
            run_id = await ask_recut(
                change.session, started_by=actor.label, now=change.clocks.wall()
            )
            if run_id is not None:
                await change.record("article.recut-ask", run_id)
            last = await last_recut(change.session)
        self.wakes.wake(RECUT_TASK)
        return shown_recut(last)


async def recuts_of(context: AppContext, wakes: AppWakes) -> Recuts:
    return Recuts(context, wakes)


AppRecuts = Annotated[Recuts, Depends(recuts_of)]
