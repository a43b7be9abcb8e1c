"""Read-only SQL over subscriptions that their readers cancelled: what each answered and wrote."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.keyset import Keyset, Page
from service.db.tables import Offer, Reader, Subscription
from service.reports.asked import Asked
from service.reports.movement_sums import LATER, TENURES
from service.reports.queries.leaving import CANCELLED_BY_READER, FEEDBACK, TENURE

FILTERS = ("plan", "interval_charged", "currency", "tenure")
_NAMED = tuple(each for each in FEEDBACK if each not in {"other", "none"})
_NEWEST_FIRST = Keyset(Subscription.cancelled_at, Subscription.id)


@dataclass(frozen=True)
class Chosen:
    """Which of them; what is empty isn't asked for."""

    plan: str = ""
    tenure: str = ""
    feedback: str = ""
    only_comments: bool = False
    interval: str = ""
    currency: str = ""


@dataclass(frozen=True)
class Cancelled:
    """A subscription with whose it is; without `reader_id` the reader was erased."""

    row: Subscription
    reader_id: str | None
    email: str | None
    offer_name: str

    @property
    def tenure(self) -> str:
        days = self.row.cancelled_after_days or 1
        return next((name for name, most in TENURES.items() if days <= most), LATER)


async def list_cancellations(
    session: AsyncSession, asked: Asked, chosen: Chosen, *, cursor: str | None, limit: int
) -> Page[Cancelled]:
    """Those of the period, the newest first. Raises Problem `invalid-request` for a cursor that isn't ours."""
    row = Subscription
    statement = (
        select(row, Reader.id, Reader.email, Offer.name)
        .join(Offer, Offer.id == row.offer_id)
        .outerjoin(Reader, (Reader.id == row.reader_id) & Reader.erased_at.is_(None))
        .where(CANCELLED_BY_READER, row.cancelled_at >= asked.since, row.cancelled_at < asked.until)
    )
    if chosen.plan:
        statement = statement.where(row.plan == chosen.plan)
    if chosen.interval:
        statement = statement.where(row.interval == chosen.interval)
    if chosen.currency:
        statement = statement.where(row.currency == chosen.currency)
    if chosen.tenure:
        statement = statement.where(TENURE == chosen.tenure)  # noqa: SIM300 a column
    if chosen.feedback == "other":
        statement = statement.where(row.cancel_feedback.not_in(("", *_NAMED)))
    elif chosen.feedback:
        given = "" if chosen.feedback == "none" else chosen.feedback
        statement = statement.where(row.cancel_feedback == given)
    if chosen.only_comments:
        statement = statement.where(row.cancel_comment != "")
    page = await _NEWEST_FIRST.rows(session, statement, cursor=cursor, limit=limit)
    return page.map(lambda found: Cancelled(*found[:4]))
