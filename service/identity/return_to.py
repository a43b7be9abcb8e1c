"""Where a reader may be sent back to: paths of ours and addresses on listed origins only."""

import re
from urllib.parse import urlsplit

from service.problems import Problem
from service.settings import Settings

MAX_LENGTH = 2000
# Browsers drop tabs and line breaks from addresses and read a backslash as a slash, so that
# "/\t/elsewhere" leads elsewhere: only plain printable characters pass.
_PLAIN = re.compile(r"[!-\[\]-~]+")


def checked_return_to(value: str, settings: Settings) -> str:
    """`value` itself when it is safe to redirect to, else the problem `invalid-return-address`."""
    if len(value) <= MAX_LENGTH and _PLAIN.fullmatch(value):
        if value.startswith("/") and not value.startswith("//"):
            return value
        if origin_of(value) in settings.origins:
            return value
    raise Problem("invalid-return-address")


def absolute(return_to: str, settings: Settings) -> str:
    """A checked return address with scheme and host."""
    return f"{settings.public_url}{return_to}" if return_to.startswith("/") else return_to


def origin_of(address: str) -> str | None:
    """The origin of an absolute http address, None where it has none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    # The netloc holds user info too: "https://ours@elsewhere" is never equal to an origin.
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else None
