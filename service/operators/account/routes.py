"""The pages of an operator's own account."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from service.db.context import AppContext
from service.db.session import ReadSession
from service.db.tables import Operator
from service.html.redirect import see_other
from service.identity.passwords import AppPasswords
from service.identity.permissions import Permission
from service.identity.second_factor import is_on, recovery_codes_left
from service.operators.account.own_account import OwnAccount, RecoveryCodes
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import (
    SignInNeeded,
    Visit,
    form_requires,
    page_requires,
    visit_of,
)
from service.operators.sign_in.answers import TheirBrowser
from service.operators.sign_in.guessing import TooMany
from service.operators.sign_in.steps import FormRefused
from service.problems import Problem

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)
ACCOUNT = "/admin/account"
TOTP = "/admin/account/totp"
DONE = {
    "password": "Password changed. You are signed out on other devices.",
    "totp-off": "Two-step verification is off.",
    "weekly-on": "The weekly mail is on.",
    "weekly-off": "The weekly mail is off.",
}

Sees = Annotated[Visit, Depends(page_requires(Permission.STAFF))]
Sends = Annotated[Visit, Depends(form_requires(Permission.STAFF))]


async def own_account(
    request: Request,
    context: AppContext,
    passwords: AppPasswords,
    browser: TheirBrowser,
) -> OwnAccount:
    """The account of the visit that the route's first dependency has found."""
    visit = visit_of(request)
    if visit is None:
        raise SignInNeeded
    return OwnAccount(
        context,
        passwords,
        operator_id=visit.operator.id,
        secret=visit.secret,
        source=browser.source,
    )


Own = Annotated[OwnAccount, Depends(own_account)]


@router.get("")
async def show_account(
    request: Request, visit: Sees, session: ReadSession, done: str = ""
) -> Response:
    """Who one is here, the password, and the second factor."""
    return page(request, "account.html", notice=DONE.get(done), **await _facts(session, visit))


@router.post("/weekly")
async def send_weekly(
    _: Sends, own: Own, wanted: Annotated[Literal["on", "off"], Form()]
) -> Response:
    """Switch the weekly mail on or off."""
    await own.choose_weekly_mail(wanted=wanted == "on")
    return see_other(f"{ACCOUNT}?done=weekly-{wanted}")


@router.post("/password")
async def send_password(
    request: Request,
    visit: Sends,
    own: Own,
    session: ReadSession,
    present: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change the password."""
    if password != again:
        outcome: Any = FormRefused("The new passwords don’t match. Nothing was changed.")
    else:
        outcome = await own.change_password(present=present, new=password)
    return await _answer(request, visit, session, outcome, "password", done="password")


@router.post("/totp/start")
async def send_totp_start(
    request: Request,
    visit: Sends,
    own: Own,
    session: ReadSession,
    present: Annotated[str, Form()] = "",
) -> Response:
    """Make a secret and go on to the page that shows it."""
    outcome = await own.begin_totp(present=present)
    return await _answer(request, visit, session, outcome, "totp", next_page=TOTP)


@router.get("/totp")
async def show_totp(request: Request, _: Sees, own: Own) -> Response:
    """The secret, while it isn't confirmed."""
    pairing = await own.pairing()
    if pairing is None:
        return see_other(ACCOUNT)
    return page(request, "totp.html", pairing=pairing, refusal=None)


@router.post("/totp/confirm")
async def send_totp_confirm(
    request: Request, _: Sends, own: Own, code: Annotated[str, Form()] = ""
) -> Response:
    """Switch the second factor on, and show the recovery codes."""
    outcome = await own.confirm_totp(code=code)
    if isinstance(outcome, RecoveryCodes):
        return page(request, "recovery_codes.html", codes=outcome.texts)
    pairing = await own.pairing()
    if pairing is None:
        return see_other(ACCOUNT)
    return _refused(request, "totp.html", outcome, pairing=pairing, refusal=outcome.sentence)


@router.post("/recovery-codes")
async def send_recovery_codes(
    request: Request,
    visit: Sends,
    own: Own,
    session: ReadSession,
    code: Annotated[str, Form()] = "",
) -> Response:
    """Make new recovery codes and show them."""
    outcome = await own.renew_recovery_codes(code=code)
    if isinstance(outcome, RecoveryCodes):
        return page(request, "recovery_codes.html", codes=outcome.texts)
    return await _answer(request, visit, session, outcome, "recovery")


@router.post("/totp/off")
async def send_totp_off(
    request: Request,
    visit: Sends,
    own: Own,
    session: ReadSession,
    code: Annotated[str, Form()] = "",
) -> Response:
    """Switch the second factor off."""
    outcome = await own.switch_totp_off(code=code)
    return await _answer(request, visit, session, outcome, "off", done="totp-off")


async def _facts(session: ReadSession, visit: Visit) -> dict[str, Any]:
    operator = await session.get(Operator, visit.operator.id)
    if operator is None:
        raise Problem("not-found")
    return {
        "operator": operator,
        "totp_on": is_on(operator),
        "recovery_codes": await recovery_codes_left(session, operator.id),
        "refusal": None,
        "refused": "",
    }


async def _answer(
    request: Request,
    visit: Visit,
    session: ReadSession,
    outcome: Any,
    form: str,
    *,
    next_page: str = ACCOUNT,
    done: str = "",
) -> Response:
    """On to the next page, or the account again with the sentence at the form that was sent."""
    if not isinstance(outcome, FormRefused | TooMany):
        return see_other(f"{next_page}?done={done}" if done else next_page)
    facts = await _facts(session, visit)
    facts.update(refusal=outcome.sentence, refused=form, notice=None)
    return _refused(request, "account.html", outcome, **facts)


def _refused(
    request: Request, template: str, outcome: FormRefused | TooMany, **context: Any
) -> Response:
    limited = isinstance(outcome, TooMany)
    answer = page(request, template, status_code=429 if limited else 422, **context)
    if isinstance(outcome, TooMany):
        answer.headers["Retry-After"] = str(outcome.seconds)
    return answer
