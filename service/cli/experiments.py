"""`paywall experiments`: what editors try out, from a shell."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.document import read_document
from service.cli.running import command, failing_with, ready_context, say_if_empty
from service.db.context import Context
from service.identity.audit import BY_COMMAND, Change
from service.rules.experiment_changes import (
    changing_experiments,
    drop_plan,
    known_experiment,
    plan_experiment,
    plan_of,
    start_experiment,
    stop_experiment,
)
from service.rules.experiment_document import ExperimentIn
from service.rules.experiment_store import newest_experiments
from service.rules.experiments import state_of
from service.settings import Settings

EXAMPLE = (
    "Example: paywall experiments plan spring.json, then paywall experiments start spring-limit"
)
app = typer.Typer(
    help="Experiments with meter limits and wall texts.",
    epilog=EXAMPLE,
    no_args_is_help=True,
)
_MOST_SHOWN = 50
Name = Annotated[str, typer.Argument(help="Its name, as `list` prints it.")]


@asynccontextmanager
async def _changing() -> AsyncIterator[tuple[Change, Context]]:
    """A transaction by somebody with a shell on the server; a refusal is one of the command's."""
    async with ready_context(Settings()) as context:
        with failing_with():
            async with changing_experiments(context, BY_COMMAND) as change:
                yield change, context


@app.command("list", epilog="Example: paywall experiments list")
@command
async def list_() -> None:
    """List experiments with their states, the newest first."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        now = context.clocks.business()
        found = await newest_experiments(session, most=_MOST_SHOWN)
        say_if_empty(found, "No experiment is planned. `paywall experiments plan` takes one.")
        for each in found:
            state = state_of(each.started_at, each.stopped_at, each.ends_at, now)
            print(f"{each.slug:<30}  {state:<8}  until {each.ends_at:%Y-%m-%d %H:%M}")


@app.command(epilog="Example: paywall experiments show spring-limit > spring.json")
@command
async def show(name: Name) -> None:
    """Print an experiment as JSON, as `plan` takes it."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        with failing_with():
            found = plan_of(await known_experiment(session, name))
    print(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False))


@app.command(epilog=EXAMPLE)
@command
async def plan(
    file: Annotated[
        Path, typer.Argument(help="The experiment as JSON, as in the API. - reads stdin.")
    ],
) -> None:
    """Create an experiment, or replace a draft."""
    wanted = read_document(file, ExperimentIn, refused="Nothing was planned.")
    async with _changing() as (change, _):
        await plan_experiment(change, wanted)
    print(f"{wanted.slug} is planned. Start it: paywall experiments start {wanted.slug}")


@app.command(epilog="Example: paywall experiments start spring-limit")
@command
async def start(name: Name) -> None:
    """Start an experiment. You can stop a running experiment but not edit it."""
    async with _changing() as (change, context):
        await start_experiment(change, name, context)
    print(f"{name} runs. Serving processes take it over within two seconds.")


@app.command(epilog="Example: paywall experiments stop spring-limit")
@command
async def stop(name: Name) -> None:
    """Stop a running experiment early. It then has no verdict."""
    async with _changing() as (change, _):
        await stop_experiment(change, name)
    print(f"{name} is stopped.")


@app.command(epilog="Example: paywall experiments delete spring-limit")
@command
async def delete(name: Name) -> None:
    """Delete a draft. You can't delete an experiment that has started."""
    async with _changing() as (change, _):
        await drop_plan(change, name)
    print(f"{name} is deleted.")
