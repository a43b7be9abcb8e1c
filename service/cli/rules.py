"""`paywall rules`: who may read what, as a document that can be kept with other files."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.document import read_document
from service.cli.running import (
    CommandFailed,
    command,
    failing_with,
    ready_context,
    say_if_empty,
)
from service.identity.audit import BY_COMMAND
from service.operators.rules.changes import rules_of_version
from service.operators.rules.schemas import LATEST
from service.problems import Problem
from service.rules.document import RulesIn
from service.rules.experiment_changes import changing_experiments
from service.rules.known import warnings_of
from service.rules.save import save_rules, unread_of, written_rules
from service.rules.store import latest, newest_versions
from service.settings import Settings

EXAMPLE = "Example: paywall rules show > rules.json, change it, then paywall rules apply rules.json"
app = typer.Typer(
    help="Levels, meters, walls and prompts.",
    epilog=EXAMPLE,
    no_args_is_help=True,
)
_MOST_SHOWN = 50
_CHANGED = (
    "No rules were changed: --after isn't the current version any more. Check it with `paywall rules "
    "history`, print it with `paywall rules show`, and repeat your change in it."
)


@app.command(epilog=EXAMPLE)
@command
async def show(
    version: Annotated[
        int | None,
        typer.Option(
            min=1, max=LATEST, help="A version from `history`. [default: the current one]"
        ),
    ] = None,
) -> None:
    """Print the rules as JSON. What a later release wrote is printed as it is stored."""
    settings = Settings()
    async with ready_context(settings) as context, context.database.reading() as session:
        if version is None:
            stored = await latest(session)
        else:
            with failing_with():
                stored = await rules_of_version(session, version)
    if stored is not None and (unread := unread_of(stored)):
        print(unread, file=sys.stderr)
        document = stored.document
    else:
        document = written_rules(stored, settings).model_dump(mode="json")
    print(json.dumps(document, indent=2, ensure_ascii=False))


@app.command(epilog="Example: paywall rules apply rules.json --after 7")
@command
async def apply(
    file: Annotated[
        Path,
        typer.Argument(help="The rules, whole, as `show` prints them. - reads standard input."),
    ],
    after: Annotated[
        int | None,
        typer.Option(min=0, max=LATEST, help="Only apply if this is still the current version."),
    ] = None,
) -> None:
    """Apply rules. Running services use them within two seconds."""
    settings = Settings()
    rules = read_document(file, RulesIn, refused="No rules were changed.")
    async with ready_context(settings) as context:
        with failing_with():
            try:
                async with changing_experiments(context, BY_COMMAND) as change:
                    saved = await save_rules(change, rules, settings, after=after)
                    warnings = await warnings_of(change.session, rules)
            except Problem as problem:
                if problem.slug != "rules-changed":
                    raise
                raise CommandFailed(_CHANGED) from problem
    if saved is None:
        print("These rules are already current: they come from the settings.")
    else:
        print(f"Version {saved.version} is now current.")
    for each in warnings:
        print(each)


@app.command(epilog="Example: paywall rules history")
@command
async def history() -> None:
    """List changes to the rules with their authors, newest first."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        found = await newest_versions(session, most=_MOST_SHOWN)
        say_if_empty(found, "No changes yet: the rules come from the settings.")
        for each in found:
            print(f"{each.version:>5}  {each.at:%Y-%m-%d %H:%M}  {each.actor}")
