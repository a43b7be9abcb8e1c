"""Using a link or a code: once, and then the reader is signed in on this device."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.account.merge import verified_account
from service.billing.checkouts import buyer_of_claim
from service.clock import Clocks
from service.db.context import Context
from service.db.failures import past_deadlocks
from service.db.tables import SignInRequest
from service.grants.institutions import give_by_domain
from service.grants.rights import give_rights_of_address
from service.identity import sign_in_requests
from service.identity.callers import Caller
from service.identity.consents import newsletter_wording, record_newsletter
from service.identity.device_label import device_label
from service.identity.devices import pseudonym
from service.identity.email import EmailAddress, mailbox_of, turn_of_address
from service.identity.readers import find_reader, link_device, settled_reader
from service.identity.secrets import hash_secret
from service.identity.sessions import Kind, Method, OpenedSession, end_session, open_session
from service.identity.touches import carry_touches
from service.limits.rate import Limit, take, too_many
from service.metering.store import (
    carry_reads,
    device_holder,
    named_meter,
    reader_holder,
    readers_meter,
)
from service.metering.window import window_at
from service.problems import Problem
from service.rules.in_force import InForce, in_force_at

CODES = Limit(
    "sign-in-code", 10, timedelta(hours=1),
    "Too many failed attempts for this address. Use the link in the e-mail, or try again later.",
)  # fmt: skip
"""An hour and account, however many requests and networks try; the link isn't affected."""


@dataclass(frozen=True)
class Confirmed:
    """A new session of the reader, and where they wanted to go."""

    reader_id: str
    opened: OpenedSession
    return_to: str


@dataclass(frozen=True)
class Client:
    """Where the session opens: who calls, by what kind of client, with which User-Agent.

    `newsletter` is what they answer now; None: what they answered with the address is valid.
    `claim` is that of a purchase made in this browser.
    """

    caller: Caller
    kind: Kind
    user_agent: str
    newsletter: bool | None = None
    claim: str | None = None


async def confirm_link(context: Context, *, token: str, client: Client) -> Confirmed:
    """Sign in by a link. Raises `sign-in-refused` where it is used, expired or unknown."""
    async with context.database.reading() as session:
        request = await sign_in_requests.by_link(session, token, context.clocks.wall())
    if request is None:
        raise Problem("sign-in-refused")
    return await _sign_in(context, request, client, "link")


async def confirm_code(
    context: Context,
    *,
    request_id: str,
    code: str,
    client: Client,
) -> Confirmed:
    """Sign in by a code, in the browser that asked for it.

    Raises `sign-in-refused` for whatever isn't right, and `too-many-requests`.
    """
    device_id = client.caller.device_id
    digits = "".join(code.split())
    async with context.database.reading() as session:
        request = (
            await sign_in_requests.by_id(
                session, request_id, pseudonym(device_id), context.clocks.wall()
            )
            if device_id is not None
            else None
        )
    if request is None or request.email_key is None:
        raise Problem("sign-in-refused")
    # Committed before anything is compared: parallel guesses are counted too.
    async with context.database.transaction() as session:
        wait = await take(session, CODES, request.email_key, context.clocks.wall())
        is_right = wait is None and await sign_in_requests.try_code(
            session, request, digits, context.settings
        )
    if wait is not None:
        raise too_many(CODES, wait)
    if not is_right:
        raise Problem("sign-in-refused")
    return await _sign_in(context, request, client, "code")


async def _sign_in(
    context: Context, request: SignInRequest, client: Client, method: Method
) -> Confirmed:
    async def attempt() -> Confirmed:
        # Two confirmations of one address at once must not make two accounts.
        async with context.database.serialised(turn_of_address(request.email_key)) as session:
            if not await sign_in_requests.use(session, request, context.clocks.wall()):
                raise Problem("sign-in-refused")
            reader_id = await _reader_of(session, request, client, context)
            await _record_newsletter(session, reader_id, request, client, context)
            opened = await _opened(session, context, reader_id, client, method)
        return Confirmed(reader_id, opened, request.return_to)

    return await past_deadlocks(attempt)


async def _record_newsletter(
    session: AsyncSession, reader_id: str, request: SignInRequest, client: Client, context: Context
) -> None:
    """At the time of the confirmation: before it nobody has shown to read this mailbox."""
    given, wording = request.newsletter, request.newsletter_wording
    if client.newsletter is not None:
        given = client.newsletter
        wording = newsletter_wording(given, context.settings)
    await record_newsletter(
        session, reader_id, given=given, wording=wording, at=context.clocks.business(),
        place="sign-in",
    )  # fmt: skip


async def _reader_of(
    session: AsyncSession, request: SignInRequest, client: Client, context: Context
) -> str:
    clocks = context.clocks
    if request.email is not None and request.email_key is not None:
        address = EmailAddress(request.email, request.email_key)
        buyers = await _buyers_here(session, client, clocks)
        account = await verified_account(session, address, buyers, clocks)
        await give_rights_of_address(
            session, context, reader_id=account.id, address_key=address.key
        )
        await give_by_domain(session, context, reader_id=account.id, address_key=address.key)
        return account.id
    if request.reader_id is None:
        raise Problem("sign-in-refused")
    reader_id = await settled_reader(session, request.reader_id)
    reader = await find_reader(session, reader_id)
    if reader is None or reader.erased_at is not None:
        raise Problem("sign-in-refused")
    return reader_id


async def _buyers_here(session: AsyncSession, client: Client, clocks: Clocks) -> set[str]:
    """The provisional readers that this browser is: by its session, and by the claim it holds.

    Not who asked for the mail: a stranger may ask for one to the reader's address.
    """
    buyers = set()
    if client.caller.reader_id is not None and not client.caller.verified:
        buyers.add(client.caller.reader_id)
    if client.claim is not None:
        hashed = hash_secret(client.claim)
        buyer = await buyer_of_claim(session, hashed, clocks.business())
        buyers |= {buyer} if buyer is not None else set()
    return buyers


async def _meter_of(session: AsyncSession, reader_id: str) -> str:
    reader = await find_reader(session, reader_id)
    return readers_meter(reader_id, mailbox_of(reader.verified_key if reader is not None else None))


async def _carry_reads(
    session: AsyncSession, in_force: InForce, from_meter: str, to_meter: str, now: datetime
) -> None:
    """What the device has read, by each of the publication's meters."""
    meters = in_force.rules.meters
    for each in meters.every:
        await carry_reads(
            session,
            from_holder=named_meter(from_meter, each.name),
            to_holder=named_meter(to_meter, each.name),
            window=window_at(now, each.span, in_force.settings.zone),
            as_counted=meters.carries_count,
            now=now,
        )


async def _opened(
    session: AsyncSession, context: Context, reader_id: str, client: Client, method: Method
) -> OpenedSession:
    caller, clocks = client.caller, context.clocks
    now = clocks.wall()
    in_force = await in_force_at(session, context.settings, clocks.business())
    if caller.session_id is not None:
        # Somebody who planted a session here, or used this browser before, isn't signed in any more.
        await end_session(session, caller.session_id, now, "replaced")
    device = pseudonym(caller.device_id) if caller.device_id is not None else None
    if caller.device_id is not None and device is not None:
        await link_device(session, reader_id=reader_id, device=device, now=clocks.business())
        await _carry_reads(
            session, in_force, device_holder(caller.device_id), await _meter_of(session, reader_id),
            clocks.business(),
        )  # fmt: skip
        await carry_touches(
            session,
            from_holder=device_holder(caller.device_id),
            to_holder=reader_holder(reader_id),
        )
    return await open_session(
        session,
        reader_id=reader_id,
        now=now,
        settings=in_force.settings,
        method=method,
        kind=client.kind,
        device=device,
        label=device_label(client.user_agent, is_app=client.kind == "app"),
    )
