"""Things to do later."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, UtcDateTime


class Job(Base):
    """One thing to do once, by whichever process claims it first. Times are wall time."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """What is to be done, such as stripe-event or mail; the runner has a handler for each."""
    key: Mapped[str]
    """What it is done to, such as an event's id: unique among the jobs of a kind."""
    status: Mapped[str]
    """waiting, done or failed (given up, until somebody replays it)."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Claiming moves it beyond the lease: who dies while working leaves the job to be claimed again."""
    lease: Mapped[str | None]
    """The claim that may close it; None: nobody's."""
    attempts: Mapped[int]
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[str]

    __table_args__ = (
        UniqueConstraint("kind", "key", name="uq_jobs_kind_key"),
        Index("ix_jobs_due", "status", "kind", "due_at"),
        Index("ix_jobs_finished", "finished_at"),
    )
