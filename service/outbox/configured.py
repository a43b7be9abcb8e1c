"""The mailer that the settings ask for. What speaks to a mail server is imported where there is one."""

from dataclasses import dataclass

from service.outbox.mailer import LogMailer, Mailer
from service.settings import Settings


@dataclass(frozen=True)
class Mailing:
    """`mailer` None: no mail is sent, so nobody can sign in by mail."""

    mailer: Mailer | None


def mailer_of_settings(settings: Settings) -> Mailer | None:
    """The mailer that the settings ask for; None where no mail is sent."""
    if not settings.mail_from:
        return None
    url = settings.smtp_url.get_secret_value()
    if not url:
        return LogMailer()
    from service.outbox.smtp import SmtpMailer, mail_server  # noqa: PLC0415 see above

    return SmtpMailer(mail_server(url), settings.mail_from)
