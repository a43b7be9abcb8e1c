"""`paywall readers`: help for a reader who can't get in, or who asks for their data."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.address import change_by_operator
from service.account.erase import erase_reader
from service.account.export import gather_export
from service.account.notes import add_note, delete_note, list_notes
from service.billing.bind import bind_by_operator
from service.billing.subscriptions import live_subscriptions
from service.cli.changing import changing
from service.cli.running import (
    CommandFailed,
    command,
    failing_with,
    ready_context,
    say_if_empty,
)
from service.db.context import Context
from service.db.tables import Reader
from service.html.list_query import ListQuery
from service.identity.audit import change_by
from service.identity.callers import COMMAND
from service.identity.readers import find_reader, readers_by_email
from service.identity.sessions import live_sessions
from service.identity.sign_in_requests import OPERATORS_LINK_LIFE, create_sign_in_link
from service.operators.subscribers.devices import end_device
from service.payments.configured import gateway_of_settings
from service.payments.gateway import Gateway
from service.problems import Problem
from service.reports.readers import Kind, ReaderFilter, list_readers
from service.settings import Settings

EXAMPLE = "Example: paywall readers sign-in-link reader@example.org"
_EXPORT = "Example: paywall readers export reader@example.org > reader.json"
_ERASE = "Example: paywall readers erase reader@example.org --cancel-subscription"
_BIND = "Example: paywall readers bind ana@example.org cus_0123456789abcd"
_ADDRESS = "Example: paywall readers change-address ana@example.org ana@example.net"
_NOTE = 'Example: paywall readers note ana@example.org "Called: the card is lost"'
_NOTES = "Example: paywall readers notes ana@example.org"
_NO_NOTE = "Example: paywall readers delete-note ana@example.org nte_0123456789abcdef01234567"
_DEVICES = "Example: paywall readers devices ana@example.org"
_END = "Example: paywall readers end-device ana@example.org ses_0123456789abcdef01234567"
_LIST = "Example: paywall readers list --kind registered"
_ABOUT = "Help for a reader who can't get in, or who asks for their data."
Who = Annotated[str, typer.Argument(help="The reader's address or id.")]
app = typer.Typer(help=_ABOUT, epilog=EXAMPLE, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Manage readers and their data."""


@app.command("sign-in-link", epilog=EXAMPLE)
@command
async def sign_in_link(
    email: Annotated[str, typer.Argument(help="The address entered at checkout.")],
    reader: Annotated[str | None, typer.Option(help="Which reader, if several match.")] = None,
) -> None:
    """Print a link that signs the reader in once, within an hour. Check first that they asked for it."""
    settings = Settings()
    async with changing(settings) as change:
        session = change.session
        found = await readers_by_email(session, email)
        if len(found) > 1 and reader is None:
            lines = [await _line(session, each) for each in found]
            raise CommandFailed(
                "\n".join([f"Several readers typed {email}. Add --reader with one of:", *lines])
            )
        chosen = _chosen(found, email, reader)
        secret = await create_sign_in_link(session, reader_id=chosen.id, now=change.clocks.wall())
        await change.record("reader.sign-in-link", chosen.id)
    print(f"{settings.public_url}/account/sign-in?token={quote(secret)}")
    typer.echo(
        f"Works once, for {int(OPERATORS_LINK_LIFE.total_seconds() // 60)} minutes.", err=True
    )


@app.command("export", epilog=_EXPORT)
@command
async def export(reader: Who) -> None:
    """Print everything held on a reader, also by Stripe, as JSON. Check first that they asked for it."""
    settings = Settings()
    async with ready_context(settings) as context, _asking(settings) as gateway:
        reader_id = await _id_of(context, reader)
        exported = await gather_export(context, gateway, reader_id=reader_id)
        async with change_by(context, COMMAND.label) as change:
            await change.record("reader.export", reader_id)
        async for chunk in exported.chunks():
            sys.stdout.write(chunk.decode())


@app.command("erase", epilog=_ERASE)
@command
async def erase(
    reader: Who,
    cancel_subscription: Annotated[
        bool, typer.Option(help="End a running subscription at once, without a refund.")
    ] = False,
) -> None:
    """Erase a reader permanently, here and at Stripe. A failed attempt can be repeated."""
    settings = Settings()
    async with ready_context(settings) as context, _asking(settings) as gateway:
        reader_id = await _id_of(context, reader)
        try:
            await erase_reader(
                context, gateway, reader_id=reader_id,
                cancel_subscription=cancel_subscription, actor=COMMAND.label,
            )  # fmt: skip
        except Problem as problem:
            if problem.slug != "subscription-runs":
                raise
            raise CommandFailed(
                "A subscription still runs. Add --cancel-subscription to end it with the account."
            ) from problem
    typer.echo(f"{reader} is erased.", err=True)


@app.command(epilog=_BIND)
@command
async def bind(
    reader: Annotated[str, typer.Argument(help="The reader's id, or their confirmed address.")],
    customer: Annotated[str, typer.Argument(help="The customer's id at Stripe.")],
) -> None:
    """Link a Stripe customer to a reader, for example after a sale by phone.

    Check first that they are the same person: an address at Stripe proves nothing.
    """
    settings = Settings()
    async with ready_context(settings) as context, _asking(settings) as gateway:
        if gateway is None:
            raise CommandFailed("Selling is off: PAYWALL_STRIPE_SECRET_KEY is not set.")
        with failing_with():
            bound = await bind_by_operator(
                context, gateway, customer_id=customer, named=reader, actor=COMMAND.label
            )
    print(f"{customer} belongs to {bound}.")


@app.command("change-address", epilog=_ADDRESS)
@command
async def change_address(
    reader: Who, address: Annotated[str, typer.Argument(help="The new address.")]
) -> None:
    """Change the address of a reader who has lost their mailbox. Check first that they asked for it.

    They are signed out everywhere, and the former address is mailed.
    """
    async with ready_context(Settings()) as context:
        reader_id = await _id_of(context, reader)
        with failing_with():
            await change_by_operator(
                context, reader_id=reader_id, email=address, actor=COMMAND.label
            )
    print(f"{reader_id} signs in with {address} from now on.")


@app.command("note", epilog=_NOTE)
@command
async def note(
    reader: Who, text: Annotated[str, typer.Argument(help="The note; they get it with an export.")]
) -> None:
    """Add a note about a reader and print its id."""
    async with ready_context(Settings()) as context:
        reader_id = await _id_of(context, reader)
        with failing_with():
            async with change_by(context, COMMAND.label) as change:
                print((await add_note(change, reader_id, text)).id)


@app.command("notes", epilog=_NOTES)
@command
async def notes(reader: Who) -> None:
    """List the notes about a reader, newest first."""
    async with ready_context(Settings()) as context:
        reader_id = await _id_of(context, reader)
        async with context.database.reading() as session:
            cursor = None
            while True:
                page = await list_notes(session, reader_id, ListQuery(cursor=cursor, limit=100))
                if cursor is None:
                    say_if_empty(page.items, f"There are no notes on {reader}.")
                for each in page.items:
                    print(f"{each.id}  {each.at:%Y-%m-%d %H:%M}  {each.author}  {each.text}")
                cursor = page.next_cursor
                if cursor is None:
                    return


@app.command("delete-note", epilog=_NO_NOTE)
@command
async def remove_note(
    reader: Who, note_id: Annotated[str, typer.Argument(help="The note's id.")]
) -> None:
    """Delete a note permanently."""
    async with ready_context(Settings()) as context:
        reader_id = await _id_of(context, reader)
        with failing_with():
            async with change_by(context, COMMAND.label) as change:
                await delete_note(change, reader_id, note_id)
    print(f"{note_id} is deleted.")


@app.command("devices", epilog=_DEVICES)
@command
async def devices(reader: Who) -> None:
    """List a reader's signed-in devices, most recently used first."""
    settings = Settings()
    async with ready_context(settings) as context:
        reader_id = await _id_of(context, reader)
        async with context.database.reading() as session:
            found = await live_sessions(
                session, reader_id, now=context.clocks.wall(), settings=settings
            )
    say_if_empty(found, f"{reader} isn't signed in on any device.")
    for each in found:
        print(f"{each.id}  {each.kind}  used {each.used_at:%Y-%m-%d %H:%M}  {each.label}")


@app.command("end-device", epilog=_END)
@command
async def sign_device_out(
    reader: Who, device: Annotated[str, typer.Argument(help="The device's id.")]
) -> None:
    """Sign out one of a reader's devices. Takes effect within a minute."""
    settings = Settings()
    async with ready_context(settings) as context:
        reader_id = await _id_of(context, reader)
        with failing_with():
            async with change_by(context, COMMAND.label) as change:
                await end_device(change, reader_id, device, settings)
    print(f"{device} is signed out.")


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[Gateway | None]:
    """The gateway to Stripe, closed at the end; None where nothing is sold."""
    gateway = gateway_of_settings(settings)
    try:
        yield gateway
    finally:
        if gateway is not None:
            await gateway.close()


@app.command("list", epilog=_LIST)
@command
async def list_all(
    query: Annotated[str, typer.Argument(help="Part of an address, or a whole id.")] = "",
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
) -> None:
    """List the readers: subscribers, lapsed ones, pass buyers, comped and registered readers."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        cursor = None
        while True:
            page = await list_readers(
                session, ReaderFilter(query, kind), cursor=cursor, limit=100,
                now=context.clocks.business(), zone=context.settings.zone,
            )  # fmt: skip
            if cursor is None:
                say_if_empty(page.items, "No reader fits.")
            for each in page.items:
                kinds = ", ".join(each.kinds) or "none"
                print(f"{each.reader_id}  {each.email or 'no address'}  {kinds}")
            cursor = page.next_cursor
            if cursor is None:
                return


async def _id_of(context: Context, reader: str) -> str:
    """The id of the reader with this id or address; CommandFailed where that is none or several."""
    async with context.database.reading() as session:
        by_id = await find_reader(session, reader)
        if by_id is not None and by_id.merged_into is None:
            return by_id.id
        found = await readers_by_email(session, reader) if "@" in reader else []
        lines = [await _line(session, each) for each in found]
    if len(found) > 1:
        raise CommandFailed(
            "\n".join([f"Several readers typed {reader}. Name one by its id:", *lines])
        )
    if not found:
        raise CommandFailed(f"Reader {reader} not found. See `paywall readers list`.")
    return found[0].id


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
