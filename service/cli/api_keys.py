"""`paywall api-keys`: keys for publishers' programs."""

from typing import Annotated

import typer
from sqlalchemy import select

from service.cli.running import command, failing_with, ready_context, say_if_empty
from service.db.tables import ApiKey
from service.identity.callers import COMMAND
from service.identity.permissions import SCOPES
from service.operators.staff.keys import create_key, revoke_key
from service.settings import Settings

app = typer.Typer(
    help="Keys for publishers' programs.",
    epilog="Example: paywall api-keys create --label cms --scope articles:write",
    no_args_is_help=True,
)
_SCOPES = f"Scope; repeat for several: {', '.join(sorted(SCOPES))}."


@app.command(epilog="Example: paywall api-keys create --label cms --scope articles:write")
@command
async def create(
    scope: Annotated[list[str], typer.Option(help=_SCOPES)],
    label: Annotated[str, typer.Option(help="Label of the key.")] = "",
) -> None:
    """Create a key and print it on a line of its own. It can't be shown again."""
    async with ready_context(Settings()) as context:
        with failing_with():
            made = await create_key(context, COMMAND, label=label, scopes=scope)
    print(made.text)


@app.command("list", epilog="Example: paywall api-keys list")
@command
async def list_keys() -> None:
    """Show every key's prefix, last use, scopes and label; the secret isn't kept."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        found = (await session.scalars(select(ApiKey).order_by(ApiKey.created_at))).all()
        say_if_empty(found, "There are no keys. `paywall api-keys create` makes one.")
        for key in found:
            state = "revoked" if key.revoked_at else "live"
            used = f"used {key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never used"
            print(f"{key.prefix}  {state:<7}  {used}  {', '.join(key.scopes)}  {key.label}")


@app.command(epilog="Example: paywall api-keys revoke 0a1b2c3d4e")
@command
async def revoke(prefix: Annotated[str, typer.Argument(help="As shown by list.")]) -> None:
    """Revoke a key."""
    unknown = f"API key {prefix} not found. See `paywall api-keys list`."
    async with ready_context(Settings()) as context:
        with failing_with(unknown):
            await revoke_key(context, COMMAND, prefix)
    print(f"{prefix} is revoked.")
