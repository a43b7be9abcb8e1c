"""Asking for a sign-in mail. Nothing here looks at whether the address has an account.

So the answer is the same for a known and an unknown address, in text, status and time.
"""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from service.db.context import Context
from service.identity import sign_in_requests
from service.identity.callers import Caller
from service.identity.consents import newsletter_wording
from service.identity.devices import new_device_id, pseudonym
from service.identity.email import EmailAddress, checked_address
from service.identity.readers import has_signed_in
from service.identity.return_to import checked_return_to
from service.identity.sign_in_asks import note_ask
from service.limits.rate import Limit, take_each, too_many
from service.metering.store import device_holder
from service.outbox.mails import put_mail
from service.problems import Problem

MAILS = "sign-in-mail"
"""The limit's name: mails an hour to one address, asked for from one network."""
MAILS_FROM_ALL = "sign-in-address"
"""The limit's name: mails an hour to one address, from wherever they are asked for."""
_NETWORKS = 10
"""How many networks may use that limit up before the others are refused."""
LINK_PATH = "/account/sign-in"
"""The newspaper's page whose button uses the link; opening it uses nothing up."""
_LIFE_SECONDS = int(sign_in_requests.LIFE.total_seconds())


@dataclass(frozen=True)
class Requested:
    """`device_id` is the browser's, new where it had none: the code works there only."""

    request_id: str
    device_id: str
    expires_in: int
    """Seconds."""


async def request_sign_in(
    context: Context,
    *,
    email: str,
    return_to: str,
    caller: Caller,
    network: str,
    newsletter: bool | None,
    with_link: bool,
) -> Requested:
    """Mail a code to the address, and a link. `network` names where the request comes from.

    The link signs in by our cookie, so there is none (`with_link`) for a frontend that keeps the
    session itself. `newsletter` is the answer of the box beside the address, a consent once the mail is used; None:
    there was none. Raises the problems `sign-in-is-off`, `invalid-email`, `invalid-return-address`,
    `too-many-requests`, and `invalid-request` where no newsletter is offered.
    """
    if not context.settings.readers_can_sign_in:
        raise Problem("sign-in-is-off")
    address = checked_address(email)
    return_to = checked_return_to(return_to, context.settings)
    wording = newsletter_wording(newsletter, context.settings)
    await _within_limits(context, address, network, caller)
    now = context.clocks.wall()
    device_id = caller.device_id or new_device_id(now)
    page = f"{context.settings.public_url}{LINK_PATH}"
    provisional = None if caller.verified else caller.reader_id
    async with context.database.transaction() as session:
        asked = await sign_in_requests.ask(
            session, address, device=pseudonym(device_id), reader_id=provisional,
            return_to=return_to, newsletter=newsletter, newsletter_wording=wording,
            settings=context.settings, now=now,
        )  # fmt: skip
        await put_mail(
            session, kind="sign-in", to=address.key, to_key=address.key, reader_id=provisional,
            settings=context.settings, now=now, send_until=now + sign_in_requests.LIFE,
            link=f"{page}?{urlencode({'token': asked.link})}" if with_link else None,
            code=asked.code, minutes=_LIFE_SECONDS // 60,
        )  # fmt: skip
        if caller.device_id is not None:
            # A browser that is new has met no wall.
            await note_ask(session, device_holder(caller.device_id), context.clocks.business())
    return Requested(asked.id, device_id, _LIFE_SECONDS)


async def _within_limits(
    context: Context, address: EmailAddress, network: str, caller: Caller
) -> None:
    """A stranger's requests use up their own network's limit, not the reader's.

    Many networks together fill a mailbox at most so far; a browser in which the reader has signed in
    before is counted by itself then.
    """
    hour, most = timedelta(hours=1), context.settings.sign_in_mails_per_hour
    told = (
        "We have already sent several e-mails to this address. Check your inbox and spam folder, "
        "or try again later."
    )
    by_network = Limit(
        "sign-in-network", context.settings.sign_in_requests_per_hour, hour,
        "Too many sign-in requests from this network. Try again later.",
    )  # fmt: skip
    device = pseudonym(caller.device_id) if caller.device_id is not None else ""
    async with context.database.reading() as session:
        is_known = await has_signed_in(session, device=device, address=address)
    keys = (
        (by_network, network),
        (Limit(MAILS, most, hour, told), f"{address.key}/{network}"),
        (
            Limit(MAILS_FROM_ALL, most * _NETWORKS, hour, told),
            f"{address.key}/{device}" if is_known else address.key,
        ),
    )
    async with context.database.transaction() as session:
        refused = await take_each(session, keys, context.clocks.wall())
    if refused is not None:
        raise too_many(*refused)
