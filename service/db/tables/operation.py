"""What the installation knows of itself."""

from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base


class BusinessClock(Base):
    """One row: business time minus wall time, in seconds; only the demo moves it."""

    __tablename__ = "business_clock"

    id: Mapped[int] = mapped_column(primary_key=True)
    offset_seconds: Mapped[int]
