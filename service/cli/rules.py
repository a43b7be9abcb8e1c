"""`paywall rules`: who may read what, as a document that can be kept with other files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service.cli.document import read_document
from service.cli.running import command, failing_with, ready_context, say_if_empty
from service.identity.audit import BY_COMMAND
from service.rules.document import RulesIn, of_settings
from service.rules.experiment_changes import changing_experiments
from service.rules.save import save_rules
from service.rules.store import latest, newest_versions
from service.settings import Settings

EXAMPLE = "Example: paywall rules show > rules.json, change it, then paywall rules apply rules.json"
app = typer.Typer(
    help="Levels, meters, walls and prompts: who may read what.",
    epilog=EXAMPLE,
    no_args_is_help=True,
)
_MOST_SHOWN = 50


@app.command(epilog=EXAMPLE)
@command
async def show() -> None:
    """Print the rules in force as JSON."""
    settings = Settings()
    async with ready_context(settings) as context, context.database.reading() as session:
        stored = await latest(session)
    rules = of_settings(settings).model_dump(mode="json") if stored is None else stored.document
    print(json.dumps(rules, indent=2, ensure_ascii=False))


@app.command(epilog="Example: paywall rules apply rules.json --after 7")
@command
async def apply(
    file: Annotated[Path, typer.Argument(help="The rules, whole, as `show` prints them.")],
    after: Annotated[
        int | None,
        typer.Option(help="Refuse where another version than this is in force by now."),
    ] = None,
) -> None:
    """Put these rules in force. Running services take them over within two seconds."""
    settings = Settings()
    rules = read_document(file, RulesIn, refused="No rules were changed.")
    async with ready_context(settings) as context:
        with failing_with():
            async with changing_experiments(context, BY_COMMAND) as change:
                saved = await save_rules(change, rules, settings, after=after)
    if saved is None:
        print("These are the rules of the settings, which are in force already.")
    else:
        print(f"Version {saved.version} is in force.")


@app.command(epilog="Example: paywall rules history")
@command
async def history() -> None:
    """Show when the rules were changed and by whom, the newest first."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        found = await newest_versions(session, most=_MOST_SHOWN)
        say_if_empty(found, "Nobody has changed them: the settings' rules are in force.")
        for each in found:
            print(f"{each.version:>5}  {each.at:%Y-%m-%d %H:%M}  {each.actor}")
