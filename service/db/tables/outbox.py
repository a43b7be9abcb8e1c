"""What is to be sent: stored in the transaction that it tells of, sent afterwards."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime


class Mail(Base):
    """One mail to one reader."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """What it is about, such as sign-in."""
    reader_id: Mapped[str | None] = mapped_column(
        ForeignKey("readers.id", ondelete="SET NULL"), index=True
    )
    recipient: Mapped[str]
    recipient_key: Mapped[str] = mapped_column(index=True)
    """The address as addresses are compared (identity/email.py)."""
    language: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    """Text and HTML are emptied once sent, unless a development mailbox shows them."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    send_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Of no use to anybody afterwards: a link that has expired isn't sent any more."""
    attempts: Mapped[int]
    status: Mapped[str]
    """waiting, sent or failed."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[str]
    """What the mail server said last."""

    __table_args__ = (Index("ix_mails_due", "status", "due_at"),)
