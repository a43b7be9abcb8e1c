"""`paywall readers`: help for a reader who can't get in."""

from typing import Annotated
from urllib.parse import quote

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.subscriptions import live_subscriptions
from service.cli.running import CommandFailed, command, ready_database, record_change
from service.clock import Clocks
from service.db.tables import Reader
from service.identity.readers import readers_by_email
from service.identity.sign_in_requests import OPERATORS_LINK_LIFE, create_sign_in_link
from service.settings import Settings

EXAMPLE = "Example: paywall readers sign-in-link reader@example.org"
app = typer.Typer(help="Help for a reader who can't get in.", epilog=EXAMPLE, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Help for a reader who can't get in."""


@app.command("sign-in-link", epilog=EXAMPLE)
@command
async def sign_in_link(
    email: Annotated[str, typer.Argument(help="The address typed at Checkout.")],
    reader: Annotated[str | None, typer.Option(help="Which one, where several match.")] = None,
) -> None:
    """Print a link that signs the reader in once, within an hour. Make sure who asks for it."""
    settings = Settings()
    async with ready_database(settings) as database, database.transaction() as session:
        found = await readers_by_email(session, email)
        if len(found) > 1 and reader is None:
            lines = [await _line(session, each) for each in found]
            raise CommandFailed(
                "\n".join([f"Several readers typed {email}. Add --reader with one of:", *lines])
            )
        chosen = _chosen(found, email, reader)
        secret = await create_sign_in_link(session, reader_id=chosen.id, now=Clocks().wall())
        await record_change(database, session, "reader.sign-in-link", chosen.id)
    print(f"{settings.public_url}/account/sign-in?token={quote(secret)}")
    typer.echo(
        f"Good once, for {int(OPERATORS_LINK_LIFE.total_seconds() // 60)} minutes.", err=True
    )


async def _line(session: AsyncSession, reader: Reader) -> str:
    """What tells a reader from others with the same address: since when, and the plans."""
    live = await live_subscriptions(session, reader.id)
    plans = ", ".join(f"{each.plan} ({each.status})" for each in live) or "no plan"
    return f"  {reader.id}  since {reader.created_at:%Y-%m-%d}  {plans}"


def _chosen(found: list[Reader], email: str, reader: str | None) -> Reader:
    for each in found:
        if reader in {None, each.id}:
            return each
    raise CommandFailed(
        f"No reader{f' {reader}' if reader else ''} typed {email}. Look at /admin for the address."
    )
