"""A mail as the bytes that a mail server takes (RFC 5322), safe whatever is in it."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

from email_validator import EmailNotValidError, validate_email

from service.outbox.mailer import Refused
from service.outbox.queue import WaitingMail


@dataclass(frozen=True)
class Envelope:
    """`needs_utf8`: the recipient's name isn't ASCII, so the server has to know SMTPUTF8."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool


def envelope_of(mail: WaitingMail, sender: str) -> Envelope:
    """The mail to its recipient from `sender`, such as `Gazette <hello@example.org>`.

    Raises `Refused` where the recipient is no address. The domain is written in ASCII. Id and date
    are those of the mail, so what is sent twice can be known as one.
    """
    recipient = _deliverable(mail.recipient)
    needs_utf8 = not recipient.username.isascii()
    _, sender_address = parseaddr(sender)
    message = EmailMessage(policy=SMTPUTF8 if needs_utf8 else SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{sender_address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    # No part has lines or bytes that an old server can't pass on.
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return Envelope(sender_address, recipient.addr_spec, message.as_bytes(), needs_utf8)


def _deliverable(text: str) -> Address:
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise Refused("the recipient is no address") from error
    return Address(username=found.local_part, domain=found.ascii_domain)
