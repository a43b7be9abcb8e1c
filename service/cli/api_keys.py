"""`paywall api-keys`: keys for publishers' programs."""

from typing import Annotated

import typer
from sqlalchemy import select

from service.cli.running import CommandFailed, command, ready_database, record_change
from service.clock import Clocks
from service.db.tables import ApiKey
from service.identity.api_keys import create_api_key
from service.identity.permissions import PERMISSIONS
from service.settings import Settings

app = typer.Typer(
    help="Keys for publishers' programs.",
    epilog="Example: paywall api-keys create --label cms --scope articles:write",
    no_args_is_help=True,
)
_SCOPES = f"What it may do; repeat for several: {', '.join(sorted(PERMISSIONS))}."


@app.command(epilog="Example: paywall api-keys create --label cms --scope articles:write")
@command
async def create(
    scope: Annotated[list[str], typer.Option(help=_SCOPES)],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a key and print it, alone on a line. It can't be shown again."""
    async with ready_database(Settings()) as database, database.transaction() as session:
        try:
            text = await create_api_key(session, label=label, scopes=scope, now=Clocks().wall())
        except ValueError as error:
            raise CommandFailed(f"No key was made: {error}.") from error
        _, prefix, _ = text.split("_", 2)
        made = {"label": label, "scopes": sorted(set(scope))}
        await record_change(database, session, "api-key.create", prefix, after=made)
    print(text)


@app.command("list", epilog="Example: paywall api-keys list")
@command
async def list_keys() -> None:
    """Show every key's prefix, scopes and label; the secret isn't kept."""
    async with ready_database(Settings()) as database, database.reading() as session:
        for key in await session.scalars(select(ApiKey).order_by(ApiKey.created_at)):
            state = "revoked" if key.revoked_at else "live"
            print(f"{key.prefix}  {state:<7}  {', '.join(key.scopes)}  {key.label}")


@app.command(epilog="Example: paywall api-keys revoke 0a1b2c3d4e")
@command
async def revoke(prefix: Annotated[str, typer.Argument(help="As shown by list.")]) -> None:
    """Refuse a key from now on."""
    async with ready_database(Settings()) as database, database.transaction() as session:
        key = await session.get(ApiKey, prefix)
        if key is None:
            raise CommandFailed(f"There is no key {prefix}. `paywall api-keys list` shows them.")
        if key.revoked_at is None:
            key.revoked_at = Clocks().wall()
            await record_change(database, session, "api-key.revoke", prefix)
    print(f"{prefix} is revoked.")
