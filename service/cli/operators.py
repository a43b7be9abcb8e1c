"""`paywall operators`: who may enter the back office."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import typer
from sqlalchemy import select

from service.cli.running import CommandFailed, command, failing_with, ready_context, say_if_empty
from service.db.tables import Operator
from service.identity.callers import COMMAND
from service.identity.operators import find_operator
from service.identity.passwords import ARGON2ID, AccountRefused
from service.identity.second_factor import is_on
from service.operators.staff.accounts import Accounts
from service.settings import Settings

app = typer.Typer(
    help="Accounts for the back office.",
    epilog="Example: paywall operators create ana@example.org --role editor",
    no_args_is_help=True,
)
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input.")]
Email = Annotated[str, typer.Argument(help="Their e-mail address.")]


def _password(*, from_input: bool) -> str:
    # Never an argument: those are in the shell's history and in the list of processes.
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@asynccontextmanager
async def _accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """A refusal is a sentence."""
    try:
        async with ready_context(settings) as context:
            with failing_with():
                yield Accounts(context, ARGON2ID)
    except AccountRefused as error:
        raise CommandFailed(f"Nothing was changed: {error}.") from error


async def _id_of(accounts: Accounts, email: str) -> str:
    async with accounts.context.database.reading() as session:
        operator = await find_operator(session, email)
    if operator is None:
        raise CommandFailed(f"There is no operator {email}. Create the account: operators create.")
    return operator.id


@app.command(epilog="Example: paywall operators create ana@example.org --role admin")
def create(
    email: Email,
    role: Annotated[str, typer.Option(help="viewer, editor, billing or admin.")] = "admin",
    password_stdin: FromInput = False,
) -> None:
    """Create an operator."""
    _create(email, role, _password(from_input=password_stdin))


@command
async def _create(email: str, role: str, password: str) -> None:
    settings = Settings()
    async with _accounts(settings) as accounts:
        await accounts.create(COMMAND, email=email, password=password, role=role)
    print(f"{email} may sign in at {settings.public_url}/admin as {role}.")


@app.command("reset-password", epilog="Example: paywall operators reset-password ana@example.org")
def reset_password(email: Email, password_stdin: FromInput = False) -> None:
    """Set a new password. All sessions end."""
    _reset(email, _password(from_input=password_stdin))


@command
async def _reset(email: str, password: str) -> None:
    async with _accounts(Settings()) as accounts:
        await accounts.reset_password(COMMAND, await _id_of(accounts, email), password)
    print(f"{email} has a new password; all sessions have ended.")


@app.command("list", epilog="Example: paywall operators list")
@command
async def list_operators() -> None:
    """List all operators: role, whether they are enabled, and whether they use two-step verification."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        found = (await session.scalars(select(Operator).order_by(Operator.email))).all()
        say_if_empty(found, "Nobody may sign in. `paywall operators create` makes an account.")
        for each in found:
            state = "disabled" if each.disabled_at else "enabled"
            second = "two-step verification" if is_on(each) else "password only"
            print(f"{each.email}  {each.role}  {state}  {second}")


async def _change(
    email: str, done: str, *, disabled: bool | None = None, totp: Literal[False] | None = None
) -> None:
    async with _accounts(Settings()) as accounts:
        operator_id = await _id_of(accounts, email)
        await accounts.change(COMMAND, operator_id, disabled=disabled, totp=totp)
    print(f"{email} {done}.")


@app.command(epilog="Example: paywall operators disable ana@example.org")
@command
async def disable(email: Email) -> None:
    """Disable an operator and end all sessions. The last administrator can't be disabled."""
    await _change(email, "is disabled", disabled=True)


@app.command(epilog="Example: paywall operators enable ana@example.org")
@command
async def enable(email: Email) -> None:
    """Enable a disabled operator."""
    await _change(email, "is enabled", disabled=False)


@app.command("reset-totp", epilog="Example: paywall operators reset-totp ana@example.org")
@command
async def reset_totp(email: Email) -> None:
    """Turn off two-step verification for an operator who has lost it. All sessions end."""
    await _change(email, "signs in by password alone", totp=False)
