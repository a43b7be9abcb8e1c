"""Who takes a mail: a mail server, or in development the log and a mailbox page."""

from typing import Protocol

import structlog

from service.outbox.queue import WaitingMail

log = structlog.get_logger()


class Deferred(Exception):
    """Not sent this time. The message says why, without the mail's content or recipient."""


class Away(Exception):
    """The server takes no mail at all at the moment. The message is like that of `Deferred`."""


class Refused(Exception):
    """Never to be sent: trying again wouldn't help. The message is like that of `Deferred`."""


class Mailer(Protocol):
    """Sends one mail at a time, any number of them side by side."""

    @property
    def keeps_content(self) -> bool:
        """Whether the content stays in the database once the mail is sent, for a mailbox page."""

    async def send(self, mail: WaitingMail) -> str:
        """Send it and answer what the other side said. Raises `Away`, `Deferred` or `Refused`.

        Takes a limited time; the mail's lease is renewed meanwhile.
        """


class LogMailer:
    """For development: nothing leaves this machine."""

    keeps_content = True

    async def send(self, mail: WaitingMail) -> str:
        log.info("mail.kept", kind=mail.kind, mail=mail.id, text=mail.text)
        return "kept for the mailbox"
