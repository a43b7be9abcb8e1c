"""What readers ask for about their accounts, and what they agreed to be sent."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime
from service.db.tables.identity import Reader


class SignInRequest(Base):
    """A link, and where mailed a code with it, that signs in once."""

    __tablename__ = "sign_in_requests"

    id: Mapped[str] = mapped_column(primary_key=True)
    link_hash: Mapped[str] = mapped_column(unique=True)
    code_hash: Mapped[str | None]
    """Keyed, since a code is short. None for a link that an operator made."""
    email: Mapped[str | None]
    """As typed. None for a link that an operator made: it verifies nothing."""
    email_key: Mapped[str | None] = mapped_column(index=True)
    reader_id: Mapped[str | None] = mapped_column(
        ForeignKey("readers.id", ondelete="CASCADE"), index=True
    )
    """Who asked, where signed in without a verified address, or whom an operator's link is for."""
    device_id: Mapped[str | None]
    """The pseudonym of the browser that asked: the code works there only."""
    return_to: Mapped[str]
    tries: Mapped[int]
    """Codes tried so far."""
    newsletter: Mapped[bool | None]
    """What the reader answered with the address; None: they weren't asked. A consent once used."""
    newsletter_wording: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInAsk(Base):
    """When a browser that was here before asked for a sign-in mail, which the requests soon forget.

    Nothing says for which address. The report of registrations looks for it after a wall to register.
    """

    __tablename__ = "sign_in_asks"

    holder: Mapped[str] = mapped_column(primary_key=True)
    """Named as in the ledger."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True, index=True)


class AddressChange(Base):
    """An address that a reader wants instead of theirs, until the mails to both are confirmed."""

    __tablename__ = "address_changes"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(
        ForeignKey("readers.id", ondelete="CASCADE"), unique=True
    )
    email: Mapped[str]
    """The new one, as typed."""
    email_key: Mapped[str] = mapped_column(index=True)
    old_hash: Mapped[str] = mapped_column(unique=True)
    """Of the link in the mail to the address that the reader has."""
    new_hash: Mapped[str] = mapped_column(unique=True)
    old_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    new_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Consent(Base):
    """What a reader agreed to or withdrew. Rows are added, never changed."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey(Reader.id), index=True)
    purpose: Mapped[str]
    """newsletter."""
    given: Mapped[bool]
    """False: withdrawn, or asked for and refused."""
    wording: Mapped[str]
    """The words beside the box."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    place: Mapped[str]
    """sign-in or checkout."""
