"""The answers to a buyer who comes back, in a browser and in an app."""

from fastapi import Request, Response

from service.billing.fulfil import Fulfilment
from service.checkout.complete import (
    Completed,
    ReturningBuyer,
    complete_checkout,
    must_be_known,
)
from service.checkout.limits import limited_gateway
from service.db.context import Context
from service.grants.access_token import AccessTokens
from service.html.message import message_page
from service.html.redirect import asked_address, see_other
from service.identity.callers import Caller
from service.identity.cookies import clear_cookie, read_cookie, set_cookie
from service.identity.handover import hand_over
from service.identity.return_to import absolute, origin_of
from service.identity.sessions import set_session_cookie
from service.payments.asking import gateway_of
from service.problems import Problem
from service.settings import Settings
from service.tokens.schemas import IssuedToken

CLAIM_SECONDS = 24 * 3600
_LATER = {
    "stripe-unavailable": "We can't reach our payment provider at the moment. If you have paid, nothing is "
    "lost.",
    "too-many-requests": "Too many requests. If you have paid, nothing is lost: "
    "sign in, or try again later.",
}
"""What a buyer reads who has to try again."""


def remember_claim(response: Response, claim: str, settings: Settings) -> None:
    set_cookie(response, "checkout", claim, settings, max_age=CLAIM_SECONDS)


async def answer_return(
    request: Request,
    context: Context,
    *,
    session_id: str,
    caller: Caller,
) -> Response:
    """303 to where the purchase began, signed in; else a page that says what to do."""
    claim = read_cookie(request, "checkout", context.settings)
    try:
        gateway = await limited_gateway(request, caller, context)
        buyer = ReturningBuyer(caller, claim, request.headers.get("User-Agent", ""))
        completed = await complete_checkout(
            context, gateway, session_id, buyer, while_processing=True
        )
    except Problem as problem:
        return _problem_page(request, problem, context.settings)
    fulfilment = completed.fulfilment
    if fulfilment.state == "open" and completed.is_theirs and fulfilment.url is not None:
        return see_other(fulfilment.url)
    if fulfilment.state == "paid" and not completed.is_theirs:
        return _stranger_page(request, fulfilment, context.settings)
    if fulfilment.state == "paid":
        response: Response = see_other(absolute(fulfilment.return_to, context.settings))
    else:
        response = _unpaid_page(request, completed, context.settings)
    if completed.opened is not None:
        set_session_cookie(response, completed.opened.token, context.settings)
    if claim is not None and fulfilment.state == "paid":
        # If it were kept, it would sign a reader in again who has signed out meanwhile.
        clear_cookie(response, "checkout", context.settings)
    return response


async def head_of_return(request: Request, context: Context, *, session_id: str) -> Response:
    """What a stranger's browser is answered, without asking Stripe, fulfilling or signing in."""
    try:
        await gateway_of(request)
        await must_be_known(context, session_id)
    except Problem as problem:
        response = _problem_page(request, problem, context.settings)
    else:
        response = _elsewhere_page(request, context.settings)
    response.body = b""
    return response


def _stranger_page(request: Request, fulfilment: Fulfilment, settings: Settings) -> Response:
    """For who holds no claim: tells on which site the purchase began, and not on which page."""
    site = origin_of(absolute(fulfilment.return_to, settings))
    if site in {None, settings.public_url}:
        return _elsewhere_page(request, settings)
    # A site on which our cookies don't live keeps the claim itself (docs/set-ups.md).
    return message_page(
        request,
        status_code=200,
        title="Thank you, your payment is complete",
        text="Go back to the site where you started to read what you have bought.",
        link=f"{site}/",
        link_text="Go to the front page",
    )


def _elsewhere_page(request: Request, settings: Settings) -> Response:
    can_sign_in = settings.readers_can_sign_in
    onward = (
        "Or sign in here with the e-mail address you entered when paying."
        if can_sign_in
        else "Or contact us for a sign-in link."
    )
    return message_page(
        request,
        status_code=200,
        title="Thank you, your payment is complete",
        text="You aren’t signed in here, because you started the purchase in another browser or have "
        f"signed in or out since. Go back to that browser to read. {onward}",
        link="/account/sign-in" if can_sign_in else "/",
        link_text="Sign in" if can_sign_in else "Go to the front page",
    )


def _unpaid_page(request: Request, completed: Completed, settings: Settings) -> Response:
    fulfilment = completed.fulfilment
    # A stranger with the address of a session learns nothing of where it leads.
    link = absolute(fulfilment.return_to, settings) if completed.is_theirs else "/"
    if fulfilment.state == "processing":
        title = "Your payment is being processed"
        text = (
            "This can take a few days. You get access as soon as your payment has arrived. You don’t "
            "need to do anything or pay again."
        )
    elif fulfilment.state == "failed":
        title = "Your bank has declined the payment"
        text = "You haven’t been charged. Go back to try another payment method."
    elif fulfilment.state == "expired":
        title = "This checkout has expired"
        text = "You haven’t been charged. Go back to the article and choose an offer again."
    else:
        title = "This checkout isn't paid"
        text = "You haven’t been charged. Complete the payment in the browser where you started."
    return message_page(
        request, status_code=200, title=title, text=text, link=link, link_text="Continue"
    )


def _problem_page(request: Request, problem: Problem, settings: Settings) -> Response:
    later = _LATER.get(problem.slug)
    response = message_page(
        request,
        status_code=problem.type.status,
        title=problem.type.title,
        text=later or problem.detail,
        link=f"{settings.public_url}{asked_address(request)}" if later else "/",
        link_text="Try again" if later else "Go to the front page",
    )
    response.headers.update(problem.headers)
    return response


async def tokens_of(
    response: Response,
    tokens: AccessTokens,
    completed: Completed,
    buyer: ReturningBuyer,
) -> IssuedToken:
    """An access token, with the session as a cookie for browsers, as `refresh_token` for apps.

    Raises the problems `claim-refused`, `checkout-not-paid` (with `url`), `checkout-expired`,
    `payment-processing`, `payment-failed`.
    """
    if not completed.is_theirs:
        raise Problem("claim-refused")
    _must_be_paid(completed.fulfilment)
    opened = completed.opened
    session_id = opened.id if opened is not None else buyer.caller.session_id
    issued = await tokens.issue_for(session_id) if session_id is not None else None
    if issued is None:
        raise Problem("claim-refused")
    settings = tokens.context.settings
    clear_cookie(response, "checkout", settings)
    if opened is None:
        return issued
    return hand_over(response, issued, opened.token, buyer.kind, settings)


def _must_be_paid(fulfilment: Fulfilment) -> None:
    if fulfilment.state == "expired":
        raise Problem("checkout-expired")
    if fulfilment.state == "processing":
        raise Problem("payment-processing")
    if fulfilment.state == "failed":
        raise Problem("payment-failed")
    if fulfilment.reader_id is None or fulfilment.state != "paid":
        raise Problem("checkout-not-paid", url=fulfilment.url)
