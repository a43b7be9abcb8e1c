"""Where a buyer is, and their tax id: asked for at Checkout, shown again, and without effect."""

import re
from dataclasses import dataclass

from service.simulator.protocol.errors import invalid_parameter
from service.simulator.store import JSON

_EUROPEAN_UNION = re.compile(
    "AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK"
)
_OTHERS = {"GB": "gb_vat", "CH": "ch_vat", "NO": "no_vat"}


@dataclass(frozen=True)
class Place:
    """What the buyer typed: a country of two letters, a postal code, and perhaps a tax id."""

    country: str
    postal_code: str = ""
    tax_id: str = ""


def asks_for_place(session: JSON) -> bool:
    """Whether Checkout asks the buyer for an address."""
    required: bool = session["billing_address_collection"] == "required"
    return required or bool(session["automatic_tax"]["enabled"]) or asks_for_tax_id(session)


def asks_for_tax_id(session: JSON) -> bool:
    """Whether Checkout lets a business type its tax id."""
    return bool(session.get("tax_id_collection", {}).get("enabled"))


def check_place(place: Place) -> None:
    """Refuse what can be no address.

    Raises:
        StripeError: 400, naming the field.
    """
    if not re.fullmatch(r"[A-Za-z]{2}", place.country):
        raise invalid_parameter("country", "Enter the country's two letters, such as DE.")
    if not re.fullmatch(r"[A-Za-z0-9 -]{0,12}", place.postal_code):
        raise invalid_parameter("postal_code", "Enter a postal code of at most 12 characters.")
    if not re.fullmatch(r"[A-Za-z0-9 .-]{0,30}", place.tax_id):
        raise invalid_parameter(
            "tax_id", "Enter a tax id such as DE123456789, or leave it empty.", "tax_id_invalid"
        )


def place_details(session: JSON, place: Place) -> JSON:
    """A session's `customer_details` of the place, as far as the session asks for it."""
    address: JSON = dict.fromkeys(
        ("city", "country", "line1", "line2", "postal_code", "state"), None
    )
    address |= {"country": place.country.upper(), "postal_code": place.postal_code or None}
    tax_id = re.sub(r"[ .-]", "", place.tax_id).upper()
    ids = []
    if tax_id and asks_for_tax_id(session):
        european = "eu_vat" if _EUROPEAN_UNION.match(tax_id) else "unknown"
        ids.append({"type": _OTHERS.get(tax_id[:2], european), "value": tax_id})
    return {"address": address, "tax_ids": ids}
