"""What the address of a page says of how the reader got there, which its forms hand on."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request

from service.access.gifts import GIFT
from service.identity.touches import LONGEST_REFERRER, Campaign, is_plain


@dataclass(frozen=True)
class Landing:
    """`query` begins with its question mark, or is empty; `referrer` is the address before."""

    query: str
    referrer: str


def campaign_of(query: Mapping[str, str]) -> Campaign:
    """The campaign in a page's query. Values that can't be kept are left out: anybody links here."""
    values = {name: query.get(f"utm_{name}", "") for name in Campaign.model_fields}
    if query.get(GIFT):
        values["source"] = GIFT  # what is bought at its wall was led here by it too
    return Campaign(**{name: value for name, value in values.items() if is_plain(value)})


def landing_of(request: Request) -> Landing:
    named = campaign_of(request.query_params).model_dump(exclude_none=True)
    fields = {f"utm_{name}": value for name, value in named.items()}
    gift = request.query_params.get(GIFT, "")
    query = urlencode({GIFT: gift, **fields} if is_plain(gift) else fields)
    referrer = request.headers.get("Referer", "")[:LONGEST_REFERRER]
    return Landing(f"?{query}" if query else "", referrer)
