"""`paywall operators`: who may enter the back office."""

import sys
from typing import Annotated

import typer

from service.cli.running import CommandFailed, command, ready_database, record_change
from service.clock import Clocks
from service.identity import operators
from service.settings import Settings

app = typer.Typer(
    help="Who may enter the back office.",
    epilog="Example: paywall operators create ana@example.org --role editor",
    no_args_is_help=True,
)
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input.")]
Email = Annotated[str, typer.Argument(help="Their e-mail address.")]


def _password(*, from_input: bool) -> str:
    # Never an argument: those stand in the shell's history and in the list of processes.
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@app.command(epilog="Example: paywall operators create ana@example.org --role admin")
def create(
    email: Email,
    role: Annotated[str, typer.Option(help="viewer, editor, billing or admin.")] = "admin",
    password_stdin: FromInput = False,
) -> None:
    """Make an operator's account."""
    _create(email, role, _password(from_input=password_stdin))


@command
async def _create(email: str, role: str, password: str) -> None:
    settings = Settings()
    async with ready_database(settings) as database, database.transaction() as session:
        try:
            operator = await operators.create_operator(
                session, email=email, password=password, role=role, now=Clocks().wall()
            )
        except ValueError as error:
            raise CommandFailed(f"No account was made: {error}.") from error
        made = {"email": operator.email, "role": role}
        await record_change(database, session, "operator.create", operator.id, after=made)
    print(f"{email} may sign in at {settings.public_url}/admin as {role}.")


@app.command("reset-password", epilog="Example: paywall operators reset-password ana@example.org")
def reset_password(email: Email, password_stdin: FromInput = False) -> None:
    """Set a new password; every session of the operator ends."""
    _reset(email, _password(from_input=password_stdin))


@command
async def _reset(email: str, password: str) -> None:
    async with ready_database(Settings()) as database, database.transaction() as session:
        operator = await operators.find_operator(session, email)
        if operator is None:
            raise CommandFailed(f"{email} is no operator. Make the account: operators create.")
        try:
            await operators.reset_password(session, operator, password)
        except ValueError as error:
            raise CommandFailed(f"Nothing was changed: {error}.") from error
        await record_change(database, session, "operator.reset-password", operator.id)
    print(f"{email} has a new password; all sessions have ended.")
