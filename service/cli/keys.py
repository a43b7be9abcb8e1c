"""`paywall keys`: the keys that sign tokens."""

from typing import Annotated

import typer

from service.cli.running import command, ready_database, record_change
from service.clock import Clocks
from service.identity.secrets import derived_key
from service.settings import Settings
from service.tokens import keys as ring

app = typer.Typer(
    help="The keys that sign tokens.", epilog="Example: paywall keys list", no_args_is_help=True
)


@app.command("list", epilog="Example: paywall keys list")
@command
async def list_keys() -> None:
    """Show every key with its state: next, active, retiring or revoked."""
    async with ready_database(Settings()) as database, database.reading() as session:
        found = await ring.list_keys(session)
        if not found:
            print("There are no keys yet. `paywall serve` makes them when it starts.")
        for key in found:
            print(
                f"{key.kid}  {key.algorithm}  {key.state:<9} since {key.state_since:%Y-%m-%d %H:%M} UTC"
            )


@app.command(epilog="Example: paywall keys rotate")
@command
async def rotate() -> None:
    """Let the next key sign. Tokens of the former one stay valid until they die."""
    settings = Settings()
    async with ready_database(settings) as database, database.transaction() as session:
        key = derived_key(settings, "token-keys")
        kid = await ring.rotate(session, encryption_key=key, now=Clocks().wall())
        await record_change(database, session, "signing-key.rotate", kid)
    print(f"{kid} signs from now on.")


@app.command(epilog="Example: paywall keys revoke 1CkM… (as shown by keys list)")
@command
async def revoke(kid: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Refuse every token of a key from now on, because it has leaked."""
    settings = Settings()
    async with ready_database(settings) as database, database.transaction() as session:
        key = derived_key(settings, "token-keys")
        await ring.revoke(session, kid, encryption_key=key, now=Clocks().wall())
        await record_change(database, session, "signing-key.revoke", kid)
    print(f"{kid} is revoked. Frontends with an older key set follow within minutes.")
