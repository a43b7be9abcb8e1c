"""Changing a reader's address: by themselves, once both mailboxes have answered, or by an operator."""

from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.follow_ups import ask_contact
from service.db.context import Context
from service.db.failures import past_deadlocks
from service.db.tables import Reader
from service.grants.institutions import give_by_domain
from service.grants.rights import give_rights_of_address
from service.identity import address_changes
from service.identity.audit import record
from service.identity.email import EmailAddress, checked_address, mailbox_of, turn_of_address
from service.identity.meanwhile import check_unchanged
from service.identity.readers import account_of, find_reader
from service.identity.sessions import end_sessions_of
from service.limits.rate import Limit, take, too_many
from service.metering.store import move_meters, readers_meter
from service.outbox.mails import put_mail
from service.problems import Problem
from service.rules.store import meter_names

State = Literal["waiting", "changed"]
"""`waiting` for the other mailbox."""
CONFIRM_PATH = "/account/address"
"""The newspaper's page whose button confirms; opening it changes nothing."""
_CHANGES = Limit(
    "address-change", 3, timedelta(hours=1),
    "You have requested several changes within an hour. Confirm one of them, or try again later.",
)  # fmt: skip


async def request_change(context: Context, *, email: str, reader_id: str) -> None:
    """Mail a link to the reader's address and one to the new one; both have to be used within a day.

    Whether the new one has an account is said to nobody but its owner. Raises the problems
    `sign-in-is-off`, `invalid-email`, `invalid-request` where no address is confirmed or it is the
    same, and `too-many-requests`.
    """
    if not context.settings.readers_can_sign_in:
        raise Problem("sign-in-is-off")
    address, now = checked_address(email), context.clocks.wall()
    async with context.database.transaction() as session:
        reader = await session.get_one(Reader, reader_id)
        if reader.verified_key is None:
            raise Problem(
                "invalid-request",
                "Confirm an address first: ask for a sign-in mail to the right one.",
            )
        if reader.verified_key == address.key:
            raise Problem("invalid-request", "This is already your address.")
        wait = await take(session, _CHANGES, reader_id, now)
        if wait is not None:
            raise too_many(_CHANGES, wait)
        asked = await address_changes.ask(session, reader.id, address, now)
        for to, link, is_new in (
            (reader.verified_key, asked.old_link, False),
            (address.key, asked.new_link, True),
        ):
            await put_mail(
                session, kind="address-change", to=to, to_key=to, reader_id=reader.id,
                settings=context.settings, now=now, send_until=now + address_changes.LIFE,
                link=f"{context.settings.public_url}{CONFIRM_PATH}?{urlencode({'token': link})}",
                address=address.text, is_new=is_new,
            )  # fmt: skip


async def confirm_change(context: Context, token: str) -> State:
    """Use a mail's link. Raises `sign-in-refused` where it is over or unknown, `address-taken`."""
    now = context.clocks.wall()
    async with context.database.reading() as session:
        found = await address_changes.by_link(session, token, now)
    if found is None:
        raise Problem("sign-in-refused")

    async def attempt() -> State:
        # As for confirmations of the address: nobody signs in to it meanwhile.
        async with context.database.serialised(turn_of_address(found.email_key)) as session:
            change = await address_changes.by_link(session, token, now)
            if change is None:
                raise Problem("sign-in-refused")
            if not address_changes.confirm(change, token, now):
                return "waiting"
            reader = await session.get_one(Reader, change.reader_id)
            address = EmailAddress(change.email, change.email_key)
            await _set_address(session, reader, address, context)
            return "changed"

    return await past_deadlocks(attempt)


async def change_by_operator(
    context: Context, *, reader_id: str, email: str, actor: str, seen: str | None = None
) -> None:
    """Give the reader another address, because their mailbox is lost: make sure that it is theirs.

    They are signed out everywhere, and the former address is told. Raises the problems `not-found`,
    `invalid-email`, `address-taken`, and `changed-meanwhile` where they have another address than was `seen`.
    """
    address = checked_address(email)

    async def attempt() -> None:
        async with context.database.serialised(turn_of_address(address.key)) as session:
            reader = await find_reader(session, reader_id)
            if reader is None or reader.merged_into is not None or reader.erased_at is not None:
                raise Problem(
                    "not-found", f"No reader has the id {reader_id}. Look for them in the list."
                )
            former = reader.verified_key
            await check_unchanged(
                session, {"email": reader.email}, seen, actions=("reader.change-address",),
                target=reader.id,
            )  # fmt: skip
            await _set_address(session, reader, address, context)
            await end_sessions_of(session, reader.id, context.clocks.wall(), "address_changed")
            await record(
                session, actor=actor, action="reader.change-address", target=reader.id,
                now=context.clocks.business(),
            )  # fmt: skip
            if former not in {None, address.key} and context.settings.readers_can_sign_in:
                await put_mail(
                    session, kind="address-changed", to=former or "", to_key=former or "",
                    reader_id=reader.id, settings=context.settings, now=context.clocks.wall(),
                )  # fmt: skip

    await past_deadlocks(attempt)


async def _set_address(
    session: AsyncSession, reader: Reader, address: EmailAddress, context: Context
) -> None:
    """The reader signs in by this address from now on, and Stripe's customers have it too."""
    owner = await account_of(session, address)
    if owner is not None and owner.id != reader.id:
        raise Problem("address-taken")
    await move_meters(
        session,
        await meter_names(session),
        from_meter=readers_meter(reader.id, mailbox_of(reader.verified_key)),
        to_meter=readers_meter(reader.id, mailbox_of(address.key)),
    )
    former = reader.verified_key
    reader.email, reader.email_key = address.text, address.key
    reader.verified_key = address.key
    if reader.email_verified_at is None:
        reader.email_verified_at = context.clocks.business()
    await address_changes.forget(session, reader.id)
    await session.flush()
    await ask_contact(session, reader.id, context.clocks)
    await give_rights_of_address(session, context, reader_id=reader.id, address_key=address.key)
    await give_by_domain(
        session, context, reader_id=reader.id, address_key=address.key, former_key=former
    )
