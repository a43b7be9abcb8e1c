"""`paywall inbox`: events of Stripe's that aren't processed."""

from typing import Annotated

import typer

from service.billing.inbox import held_events
from service.cli.running import command, failing_with, ready_context
from service.identity.callers import COMMAND
from service.jobs.runner import Wakes
from service.operators.system.system import System
from service.settings import Settings
from service.texts import number_of

app = typer.Typer(
    help="Stripe events that aren't processed yet.",
    epilog="Example: paywall inbox list",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: paywall inbox list")
@command
async def list_events() -> None:
    """Show pending events, and those that failed for good after five attempts, with the reason."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        held = await held_events(session)
    for row in held:
        if row.job is not None:
            state = "failed" if row.job.status == "failed" else "pending"
            tried = number_of(row.job.attempts, "failed attempt")
            print(f"{row.event.id}  {state:<7}  {tried}  {row.event.type}  {row.job.result}")
    if not held:
        print("All events are processed.")


@app.command("replay", epilog="Example: paywall inbox replay evt_1AbCdEfGhIjKlMnOp")
@command
async def replay(event: Annotated[str, typer.Argument(help="As shown by list.")]) -> None:
    """Retry an event, with five new attempts."""
    unknown = f"Event {event} not found. See `paywall inbox list`."
    async with ready_context(Settings()) as context:
        with failing_with(unknown):
            await System(context, Wakes()).replay_event(COMMAND, event)
    print(f"{event} will be retried.")
