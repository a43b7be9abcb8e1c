"""`paywall jobs`: what the service does by itself and hasn't done yet."""

from typing import Annotated

import typer
from sqlalchemy import select

from service.cli.running import command, failing_with, ready_context
from service.db.tables import Job
from service.identity.callers import COMMAND
from service.jobs.runner import Wakes
from service.operators.system.system import System
from service.settings import Settings
from service.texts import number_of

app = typer.Typer(
    help="Background jobs that aren't done yet.",
    epilog="Example: paywall jobs list",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: paywall jobs list")
@command
async def list_jobs() -> None:
    """Show pending jobs, and those that failed for good, with the reason."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        held = list(
            await session.scalars(
                select(Job).where(Job.status != "done").order_by(Job.status, Job.due_at, Job.id)
            )
        )
    for job in held:
        state = "failed" if job.status == "failed" else f"due {job.due_at:%Y-%m-%d %H:%M:%S}Z"
        print(
            f"{job.id}  {job.kind}  {job.key}  {state}  {number_of(job.attempts, 'failed attempt')}  {job.result}"
        )
    if not held:
        print("Everything is done.")


@app.command("replay", epilog="Example: paywall jobs replay job_2f1e0d9c8b7a6f5e4d3c2b1a")
@command
async def replay(job: Annotated[str, typer.Argument(help="As shown by list.")]) -> None:
    """Retry a job now, with new attempts. Every job is safe to repeat."""
    unknown = f"Job {job} not found. See `paywall jobs list`."
    async with ready_context(Settings()) as context:
        with failing_with(unknown):
            await System(context, Wakes()).replay_job(COMMAND, job)
    print(f"{job} will be retried now.")
