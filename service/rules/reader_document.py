"""What readers may do with what they have, as an editor writes it: the settings of these names are its defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from service.bodies import Body, WholeNumber
from service.settings import Settings


class GiftLinksIn(Body):
    """What subscribers may give to others by gift links. A link keeps the days and the readers it was made with."""

    per_month: Annotated[WholeNumber, Field(ge=0, le=1000)]
    """Articles of a subscriber in a calendar month; 0: none."""
    days: Annotated[WholeNumber, Field(ge=1, le=365)]
    """For so long a link opens its article."""
    readers: Annotated[WholeNumber, Field(ge=1, le=10_000)]
    """Distinct readers, by their devices, that one link opens to."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            per_month=settings.gift_links_per_month, days=settings.gift_link_days,
            readers=settings.gift_link_readers,
        )  # fmt: skip

    def said(self) -> Mapping[str, Any]:
        return {
            "gift_links_per_month": self.per_month, "gift_link_days": self.days,
            "gift_link_readers": self.readers,
        }  # fmt: skip


class DevicesIn(Body):
    """Where readers are signed in."""

    per_reader: Annotated[WholeNumber, Field(ge=1, le=100)]
    """At once; the next sign-in ends the session unused for longest."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(per_reader=settings.devices_per_reader)

    def said(self) -> Mapping[str, Any]:
        return {"devices_per_reader": self.per_reader}


class ElsewhereIn(Body):
    """What readers may say of their subscriptions elsewhere, such as in print."""

    by_account: bool
    """They may say it by account number, or name, and postcode."""
    provisional_days: Annotated[WholeNumber, Field(ge=0, le=31)]
    """For so long they read whose account number no list has yet; once a reader and number. 0: none."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            by_account=settings.rights_by_account,
            provisional_days=settings.rights_provisional_days,
        )

    def said(self) -> Mapping[str, Any]:
        return {
            "rights_by_account": self.by_account,
            "rights_provisional_days": self.provisional_days,
        }
