"""What readers agree to, each time with the wording that was beside the box. Rows are only added."""

from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Consent
from service.problems import Problem
from service.settings import Settings

NEWSLETTER = "newsletter"
Place = Literal["sign-in", "checkout"]


def newsletter_wording(answer: bool | None, settings: Settings) -> str | None:
    """What the reader answered to; None: they weren't asked.

    Problem `invalid-request` where the publication asks nobody.
    """
    if answer is None:
        return None
    if not settings.newsletter_wording:
        message = "can't be answered: this publication offers no newsletter"
        errors = [{"field": "body.newsletter", "message": message}]
        raise Problem("invalid-request", f"The field newsletter {message}.", errors=errors)
    return settings.newsletter_wording


async def record_newsletter(
    session: AsyncSession,
    reader_id: str,
    *,
    given: bool | None,
    wording: str | None,
    at: datetime,
    place: Place,
) -> None:
    """Add the reader's answer (None: they weren't asked). `at` is business time."""
    if given is None or wording is None:
        return
    session.add(newsletter_row(reader_id, given=given, wording=wording, at=at, place=place))
    await session.flush()


def newsletter_row(
    reader_id: str, *, given: bool, wording: str, at: datetime, place: Place
) -> Consent:
    """The row of one answer, not stored yet."""
    return Consent(
        id=new_id("cns"),
        reader_id=reader_id,
        purpose=NEWSLETTER,
        given=given,
        wording=wording,
        at=at,
        place=place,
    )
