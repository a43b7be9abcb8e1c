"""The demo's mailbox: what a mail server would have got, for anybody who sits at this machine.

These routes are the demo's alone: they show sign-in codes.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.words import long_day
from service.db.session import ReadSession
from service.db.tables import Mail
from service.html.pages import content_security_policy
from service.identity.declarations import PUBLIC
from service.problems import Problem
from service.running import running_of
from service.settings import AppSettings, Settings
from service.web.pages import GET, PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_MOST_SHOWN = 100
_MAIL_LIMITS = "allow-top-navigation-by-user-activation"
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'self'; sandbox {_MAIL_LIMITS}"
)

MailId = Annotated[str, Path(pattern=r"^mail_[0-9a-f]{1,40}$")]


@router.api_route("/mailbox", methods=GET, dependencies=[PUBLIC])
async def show_mailbox(request: Request, session: ReadSession) -> Response:
    """All mails that still have a content, the newest first."""
    found = await session.scalars(
        select(Mail)
        .where(Mail.html != "")
        .order_by(Mail.created_at.desc(), Mail.id)
        .limit(_MOST_SHOWN)
    )
    return _shown(request, "mailbox.html", mails=list(found))


@router.api_route("/mailbox/{mail_id}", methods=GET, dependencies=[PUBLIC])
async def show_mail(
    mail_id: MailId, request: Request, session: ReadSession, settings: AppSettings
) -> Response:
    """One mail: its text, its HTML in a frame that may do nothing, and links that lead on."""
    mail = await _mail(session, mail_id)
    answer = _shown(
        request,
        "mail.html",
        mail=mail,
        lines=mail.text.splitlines(),
        ours=f"{settings.public_url}/",
        limits=_MAIL_LIMITS,
    )
    policy = content_security_policy(settings)
    answer.headers["Content-Security-Policy"] = f"{policy}; frame-src 'self'"
    return answer


@router.api_route("/mailbox/{mail_id}/html", methods=GET, dependencies=[PUBLIC])
async def show_html(mail_id: MailId, session: ReadSession) -> Response:
    """The HTML part as it was mailed, but that its links leave the frame."""
    mail = await _mail(session, mail_id)
    html = mail.html.replace("<head>", '<head>\n<base target="_top">', 1)
    return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})


async def _mail(session: AsyncSession, mail_id: str) -> Mail:
    mail = await session.get(Mail, mail_id)
    if mail is None or not mail.html:
        raise Problem("not-found")
    return mail


def _shown(request: Request, template: str, **context: Any) -> HTMLResponse:
    zone = running_of(request).get(Settings).zone
    return page(
        request,
        f"demo/templates/{template}",
        when=lambda at: f"{long_day(at, zone)}, {at.astimezone(zone):%H:%M}",
        **context,
    )
