"""What was typed into a form after its session had ended: it travels through the sign-in, and comes back filled.

It is a hidden field of the sign-in page: signed, for an hour, without passwords and codes. Only what a page of ours
has sent is kept, so that nobody else's page puts words into a form of the back office.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request

from service.html.redirect import asked_address
from service.identity.secrets import derived_key
from service.operators.frame.next_page import HOME, is_page
from service.operators.frame.visits import OWN_FIELDS, is_secret
from service.settings import Settings

LASTS = timedelta(hours=1)
LONGEST = 48_000
"""Characters of the field: the sign-in form's body has room for them."""
_ASKED_ANEW = frozenset({"csrf", "sure", "code"})
_URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class KeptField:
    """`is_shown`: somebody has typed it; else it is the form's own, or empty."""

    name: str
    value: str
    is_shown: bool


@dataclass(frozen=True)
class KeptForm:
    """Where the form goes, and its fields in their order: of a list each has its place."""

    action: str
    fields: tuple[KeptField, ...]

    @property
    def place(self) -> str:
        """What it does, by its address: `Exchange rates › Delete`."""
        parts = urlsplit(self.action).path.removeprefix(f"{HOME}/").split("/")
        return " › ".join(each.replace("-", " ").capitalize() for each in parts)


async def kept_in(request: Request, settings: Settings, now: datetime) -> str:
    """The hidden field for what this request has sent; empty: there is nothing to keep. `now` is wall time."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    own = urlsplit(settings.public_url)
    is_ours = request.headers.get("origin") == f"{own.scheme}://{own.netloc}"
    if request.method != "POST" or kind != _URLENCODED or not is_ours:
        return ""
    sent = [
        (name, value)
        for name, value in (await request.form()).multi_items()
        if isinstance(value, str) and name not in _ASKED_ANEW and not is_secret(name)
    ]
    if not any(value.strip() and name not in OWN_FIELDS for name, value in sent):
        return ""
    document = json.dumps([asked_address(request), sent], ensure_ascii=False).encode()
    told = f"{int((now + LASTS).timestamp())}.{base64.urlsafe_b64encode(document).decode()}"
    field = f"{told}.{_signature(told, settings)}"
    return field if len(field) <= LONGEST else ""


def kept_form(field: str, settings: Settings, now: datetime) -> KeptForm | None:
    """What the hidden field holds; None: it isn't ours, or is over."""
    told, _, signature = field.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(told, settings).encode()):
        return None
    ends_at, _, document = told.partition(".")
    left = int(ends_at) - now.timestamp()
    # More than an hour: made before the clock was set back.
    if not 0 < left <= LASTS.total_seconds():
        return None
    action, sent = json.loads(base64.urlsafe_b64decode(document))
    if not is_page(action):
        return None
    fields = (
        KeptField(name, value, bool(value.strip()) and name not in OWN_FIELDS)
        for name, value in sent
    )
    return KeptForm(action, tuple(fields))


def _signature(told: str, settings: Settings) -> str:
    key = derived_key(settings, "operator-kept-form")
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()
