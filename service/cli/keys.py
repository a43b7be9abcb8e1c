"""`paywall keys`: the keys that sign tokens."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from service.cli.changing import changing
from service.cli.running import CommandFailed, command, ready_context
from service.identity.secrets import derived_key
from service.settings import Settings
from service.tokens import keys as ring
from service.tokens.key_files import LONGEST_FILE, read_private_key

app = typer.Typer(
    help="Token signing keys.", epilog="Example: paywall keys list", no_args_is_help=True
)


@app.command("list", epilog="Example: paywall keys list")
@command
async def list_keys() -> None:
    """Show every key with its state: next, active, retiring or revoked."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
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
    """Switch to the next signing key. Tokens signed with the old key stay valid until they expire."""
    settings = Settings()
    async with changing(settings) as change:
        before = await _states(change.session)
        kid = await ring.rotate(change.session, **_how(settings), now=change.clocks.wall())
        after = await _states(change.session)
        await change.record("signing-key.rotate", kid, before=before, after=after)
    print(f"{kid} is now the signing key.")


# A thumbprint may begin with a hyphen, and is no option then.
@app.command(
    epilog="Example: paywall keys revoke 1CkM… (as shown by keys list)",
    context_settings={"ignore_unknown_options": True},
)
@command
async def revoke(kid: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Revoke a leaked key: all its tokens are refused."""
    settings = Settings()
    async with changing(settings) as change:
        before = await _states(change.session)
        await ring.revoke(change.session, kid, **_how(settings), now=change.clocks.wall())
        after = await _states(change.session)
        await change.record("signing-key.revoke", kid, before=before, after=after)
    print(f"{kid} is revoked. Frontends with an older key set follow within minutes.")


@app.command("import", epilog="Example: paywall keys import signing-key.pem")
@command
async def import_key(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="PEM, JWK or a set with one JWK; - reads the input."),
    ],
) -> None:
    """Take a private key from a file as the next one: EC P-256 (ES256) or Ed25519 (EdDSA)."""
    settings = Settings()
    key = read_private_key(_content(file))
    async with changing(settings) as change:
        before = await _states(change.session)
        now = change.clocks.wall()
        await ring.import_key(change.session, key, **_how(settings), now=now)
        after = await _states(change.session)
        await change.record("signing-key.import", key.kid, before=before, after=after)
    ready_at = now + ring.PUBLISHED_BEFORE_USE
    print(f"{key.kid} is the next key. Run `paywall keys rotate` after {ready_at:%H:%M:%S} UTC.")


def _how(settings: Settings) -> dict[str, Any]:
    return {
        "algorithm": settings.token_algorithm,
        "encryption_key": derived_key(settings, "token-keys"),
    }


async def _states(session: AsyncSession) -> dict[str, str]:
    """The state of each key that isn't revoked, for the audit trail."""
    await session.flush()
    return {key.kid: key.state for key in await ring.list_keys(session) if key.state != "revoked"}


def _content(file: str) -> bytes:
    """At most a byte more than a key's file may have."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LONGEST_FILE + 1)
        with Path(file).open("rb") as opened:
            return opened.read(LONGEST_FILE + 1)
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}.") from error
