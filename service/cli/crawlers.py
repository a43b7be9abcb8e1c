"""`paywall crawlers`: which crawlers there are, and the lists that prove who they are."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.running import CommandFailed, command, failing_with, ready_context
from service.crawlers.address_lists import read_addresses
from service.crawlers.changes import load_networks
from service.crawlers.store import all_crawlers
from service.identity.audit import BY_COMMAND
from service.settings import Settings
from service.texts import number_of

EXAMPLE = "Example: paywall crawlers load bingbot bingbot.json"
app = typer.Typer(help="Crawlers and how they are verified.", epilog=EXAMPLE, no_args_is_help=True)


@app.command("list", epilog="Example: paywall crawlers list")
@command
async def show_all() -> None:
    """Show every crawler: what it is for, and by how many names, networks and keys it is known."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        for each in await all_crawlers(session):
            crawler = each.crawler
            proofs = ", ".join(
                number_of(len(known), one)
                for known, one in (
                    (crawler.hosts, "name"),
                    (crawler.networks, "network"),
                    (crawler.keys, "key"),
                )
            )
            print(f"{crawler.name:<24} {crawler.category:<10} {proofs}")


@app.command(epilog=EXAMPLE)
@command
async def load(
    name: Annotated[str, typer.Argument(help="The crawler, as `list` shows it.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="The published list: JSON, or one network per line. - reads standard input."
        ),
    ],
) -> None:
    """Replace a crawler's networks with its published list. Safe to repeat, for example nightly."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        networks = read_addresses(text)
    except OSError as error:
        raise CommandFailed(f"{error.filename} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandFailed(f"{error} Nothing was changed.") from error
    async with ready_context(Settings()) as context:
        with failing_with():
            async with context.database.transaction() as session:
                await load_networks(session, context, name, networks, actor=BY_COMMAND)
    print(f"{name} has {number_of(len(networks), 'network')} now.")
