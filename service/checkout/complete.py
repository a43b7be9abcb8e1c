"""Coming back from Checkout: fulfil, and sign in the holder of the claim."""

from dataclasses import dataclass

from service.billing.checkouts import checkout_of_session, use_claim
from service.billing.fulfil import Fulfilment, fulfil
from service.db.context import Context
from service.identity.callers import Caller
from service.identity.device_label import device_label
from service.identity.devices import pseudonym
from service.identity.readers import is_verified, settled_reader
from service.identity.secrets import same_secret
from service.identity.sessions import Kind, OpenedSession, end_session, open_session
from service.payments.asking import asking_stripe
from service.payments.gateway import Gateway, GatewayRefused
from service.problems import Problem
from service.rules.in_force import in_force_at

LONGEST_SESSION_ID = 255


@dataclass(frozen=True)
class ReturningBuyer:
    """Who comes back from Stripe, and with what; `claim` is what the browser or app kept."""

    caller: Caller
    claim: str | None
    user_agent: str
    kind: Kind = "browser"


@dataclass(frozen=True)
class Completed:
    """`opened` is a session opened just now; None where the caller is signed in already,
    or holds no claim that signs in (`is_theirs` tells which).
    """

    fulfilment: Fulfilment
    is_theirs: bool
    opened: OpenedSession | None


async def complete_checkout(
    context: Context,
    gateway: Gateway,
    session_id: str,
    buyer: ReturningBuyer,
    *,
    while_processing: bool = False,
) -> Completed:
    """Fulfil what is paid; open a session for the reader where the caller holds the claim.

    `while_processing`: also where the money is still on its way, so that what it opens is open in
    the same browser days later.

    A session id is no credential. Nor is the claim one for an account: the buyer may have typed
    any address. Once the purchase is an account's, a mail alone signs in there; and a claim signs in
    once.
    Raises the problems `checkout-not-found`, `stripe-unavailable`.
    """
    fulfilment = await _fulfilled(context, gateway, session_id)
    reader_id, caller = fulfilment.reader_id, buyer.caller
    if reader_id is not None and reader_id == caller.reader_id:
        return Completed(fulfilment, is_theirs=True, opened=None)
    in_time = context.clocks.business() < fulfilment.claim_ends_at
    if not buyer.claim or not in_time or not same_secret(buyer.claim, fulfilment.claim_hash):
        return Completed(fulfilment, is_theirs=False, opened=None)
    signs_in = {"paid", "processing"} if while_processing else {"paid"}
    if reader_id is None or fulfilment.state not in signs_in:
        return Completed(fulfilment, is_theirs=True, opened=None)
    opened = await _opened(context, fulfilment.checkout_id, reader_id, buyer)
    return Completed(fulfilment, is_theirs=opened is not None, opened=opened)


async def _opened(
    context: Context, checkout_id: str, reader_id: str, buyer: ReturningBuyer
) -> OpenedSession | None:
    """A session of the reader's; None where it has become an account's, or the claim was used."""
    caller, now = buyer.caller, context.clocks.wall()
    async with context.database.transaction() as session:
        reader_id = await settled_reader(session, reader_id)
        if await is_verified(session, reader_id):
            return None
        if not await use_claim(session, checkout_id, now):
            return None
        if caller.session_id is not None:
            await end_session(session, caller.session_id, now, "replaced")
        in_force = await in_force_at(session, context.settings, context.clocks.business())
        return await open_session(
            session,
            reader_id=reader_id,
            now=now,
            settings=in_force.settings,
            method="purchase",
            kind=buyer.kind,
            device=pseudonym(caller.device_id) if caller.device_id is not None else None,
            label=device_label(buyer.user_agent, is_app=buyer.kind == "app"),
        )


async def must_be_known(context: Context, session_id: str) -> None:
    """Looked up with us alone. Raises `checkout-not-found`."""
    plain = session_id.replace("_", "").isalnum() and session_id.isascii()
    if not plain or len(session_id) > LONGEST_SESSION_ID:
        raise Problem("checkout-not-found")
    async with context.database.reading() as session:
        if await checkout_of_session(session, session_id) is None:
            raise Problem("checkout-not-found")


async def _fulfilled(context: Context, gateway: Gateway, session_id: str) -> Fulfilment:
    # First: Stripe isn't asked about ids that somebody made up.
    await must_be_known(context, session_id)
    async with asking_stripe(context.settings):
        try:
            fulfilment = await fulfil(context, gateway, session_id)
        except GatewayRefused as error:
            if error.is_missing:
                raise Problem("checkout-not-found") from error
            raise
    if fulfilment is None:
        raise Problem("checkout-not-found")
    return fulfilment
