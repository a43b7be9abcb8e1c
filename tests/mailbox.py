"""The mails that the service has put into its outbox, as a reader would find them."""

import re
from dataclasses import dataclass

from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Mail


@dataclass(frozen=True)
class SignInMail:
    """The link's secret (empty: no link) and the code of one sign-in mail."""

    to: str
    token: str
    code: str


async def sign_in_mails(database: Database) -> list[SignInMail]:
    """All sign-in mails, the newest last."""
    async with database.reading() as session:
        found = await session.scalars(
            select(Mail).where(Mail.kind == "sign-in").order_by(Mail.created_at, Mail.id)
        )
        mails = list(found)
    return [_read(mail) for mail in mails if mail.text]


async def newest_mail(database: Database, to: str) -> SignInMail:
    """The newest sign-in mail to this address. Let the clock go on between two of them."""
    return [mail for mail in await sign_in_mails(database) if mail.to == to][-1]


def _read(mail: Mail) -> SignInMail:
    link = re.search(r"token=([A-Za-z0-9_-]+)", mail.text)
    beside = mail.text.replace(link.group(0), "") if link else mail.text
    code = re.search(r"\b(\d{3})[ \u00a0]?(\d{3})\b", beside)
    assert code is not None, mail.text
    return SignInMail(mail.recipient, link.group(1) if link else "", code.group(1) + code.group(2))
