"""The mail server: one connection a mail, encrypted unless the server is this very machine."""

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from service.outbox.mailer import Away, Deferred, Refused
from service.outbox.message import Envelope, envelope_of
from service.outbox.queue import WaitingMail

STEP_SECONDS = 20.0
MAIL_SECONDS = 60.0
_GOODBYE_SECONDS = 2.0
_OUR_FAULT = frozenset({530, 535})
"""The server wants a log-in, or another one: no fault of the mail, and put right soon."""


@dataclass(frozen=True)
class MailServer:
    """`tls` is from the first byte, demanded by STARTTLS, or STARTTLS where it is offered."""

    host: str
    port: int
    tls: Literal["at once", "demanded", "offered"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_here(self) -> bool:
        return _is_loopback(self.host)


def mail_server(url: str) -> MailServer:
    """The server of PAYWALL_SMTP_URL; user and password are percent-encoded there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password or "") if user else None
    if parts.scheme == "smtps":
        return MailServer(host, parts.port or 465, "at once", user, password)
    if _is_loopback(host):
        return MailServer(host, parts.port or 25, "offered", user, password)
    return MailServer(host, parts.port or 587, "demanded", user, password)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class SmtpMailer:
    """Sends by SMTP as `sender`. `tls` replaces the machine's own certificates."""

    keeps_content = False

    def __init__(
        self,
        server: MailServer,
        sender: str,
        *,
        tls: ssl.SSLContext | None = None,
        step_seconds: float = STEP_SECONDS,
        mail_seconds: float = MAIL_SECONDS,
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls or _trust_in(server)
        self._step_seconds = step_seconds
        self._mail_seconds = mail_seconds

    async def send(self, mail: WaitingMail) -> str:
        envelope = envelope_of(mail, self._sender)
        client, is_reached = self._client(), False
        try:
            async with asyncio.timeout(self._mail_seconds):
                await client.connect()
                is_reached = True
                _, said = await _hand_over(client, envelope)
        except (SMTPException, OSError, TimeoutError) as error:
            _judge(error, envelope.recipient, is_reached=is_reached)
        finally:
            await _hang_up(client)
        return _without(envelope.recipient, said)

    async def greet(self) -> None:
        """Connect and log in, and send nothing. Raises Deferred with the reason."""
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError, TimeoutError) as error:
            raise Deferred(f"the mail server says: {str(error) or type(error).__name__}") from error
        finally:
            await _hang_up(client)

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            timeout=self._step_seconds,
            use_tls=server.tls == "at once",
            start_tls={"at once": False, "demanded": True, "offered": None}[server.tls],
            tls_context=self._tls,
        )


def _trust_in(server: MailServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.is_here:
        # Mail servers come with a certificate that nobody signed, and nobody listens in between.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _hand_over(client: SMTP, envelope: Envelope) -> tuple[object, str]:
    options = ["SMTPUTF8"] if envelope.needs_utf8 else []
    try:
        return await client.sendmail(
            envelope.sender, [envelope.recipient], envelope.content, mail_options=options
        )
    except SMTPNotSupported as error:
        raise Refused("the mail server takes ASCII addresses only") from error


async def _hang_up(client: SMTP) -> None:
    """Say goodbye if there is time. The mail is handed over or isn't: this changes nothing."""
    with suppress(SMTPException, OSError, TimeoutError):
        if client.is_connected:
            await client.quit(timeout=_GOODBYE_SECONDS)
    client.close()


def _judge(error: Exception, recipient: str, *, is_reached: bool) -> NoReturn:
    """Raise `Refused` where the server wants this mail never, `Deferred` where it doesn't take it yet,
    and `Away` where nobody got as far as to offer it one.
    """
    later = Deferred if is_reached else Away
    answer: Exception = error
    if isinstance(error, SMTPRecipientsRefused):
        answer = error.recipients[0]
    if isinstance(answer, SMTPResponseException):
        reason = _without(recipient, f"{answer.code} {answer.message}")
        concerns_mail = isinstance(error, SMTPRecipientsRefused | SMTPSenderRefused | SMTPDataError)
        if concerns_mail and answer.code >= 500 and answer.code not in _OUR_FAULT:  # noqa: PLR2004 RFC 5321, 4.2.1
            raise Refused(reason) from error
        raise later(reason) from error
    told = _without(recipient, str(error)) or type(error).__name__
    raise later(f"the mail server is away: {told}") from error


def _without(recipient: str, said: str) -> str:
    """What the server said, for logs: they name no reader."""
    return re.sub(re.escape(recipient), "the recipient", said, flags=re.IGNORECASE)
