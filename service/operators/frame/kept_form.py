"""What was typed into a form after its session had ended: it travels through the sign-in, and comes back filled.

It is a hidden field of the sign-in page: signed, for an hour, without passwords and codes. Only what a page of ours
has sent is kept, which the form's CSRF field says, and it comes back to the same operator in the same browser alone:
nobody else puts words into a form of the back office, or reads them.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from fastapi import Request

from service.html.csrf import csrf_token
from service.html.redirect import asked_address
from service.identity.cookies import read_cookie
from service.identity.devices import DeviceKey
from service.identity.operators import operator_named_in
from service.identity.secrets import derived_key
from service.operators.frame.next_page import HOME, is_page
from service.operators.frame.visits import OWN_FIELDS, csrf_key, is_secret
from service.running import running_of
from service.settings import Settings

LASTS = timedelta(hours=1)
LONGEST = 48_000
"""Characters of the field: the sign-in form's body has room for them."""
_URLENCODED = "application/x-www-form-urlencoded"
_CODE, _SURE = "code", "sure"


class TooLong(Exception):
    """What was typed is more than the sign-in page takes along."""


@dataclass(frozen=True)
class KeptField:
    """`own`: nobody typed it. The last three came without a value: they are asked for once more."""

    name: str
    value: str
    kind: Literal["own", "typed", "password", "code", "sure"]


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
    """The hidden field for what this request has sent; empty: there is nothing to keep. `now` is wall time.

    Raises TooLong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0]
    own = urlsplit(settings.public_url)
    is_ours = request.headers.get("origin") == f"{own.scheme}://{own.netloc}"
    if request.method != "POST" or kind != _URLENCODED or not is_ours:
        return ""
    form = await request.form()
    secret = read_cookie(request, "operator", settings) or ""
    csrf = csrf_token(secret, csrf_key(settings))
    device_id = running_of(request).get(DeviceKey).read(read_cookie(request, "device", settings))
    operator_id = operator_named_in(secret)
    if not device_id or not operator_id or not _same(str(form.get("csrf", "")), csrf):
        return ""
    sent = [
        (name, "" if _is_asked_anew(name) else value)
        for name, value in form.multi_items()
        if isinstance(value, str) and name != "csrf"
    ]
    if not any(value.strip() and name not in OWN_FIELDS for name, value in sent):
        return ""
    document = json.dumps([asked_address(request), sent], ensure_ascii=False).encode()
    told = f"{int((now + LASTS).timestamp())}.{base64.urlsafe_b64encode(document).decode()}"
    field = f"{told}.{_signature(told, device_id, operator_id, settings)}"
    if len(field) > LONGEST:
        raise TooLong
    return field


def kept_form(
    field: str, device_id: str, operator_id: str, settings: Settings, now: datetime
) -> KeptForm | None:
    """What the hidden field holds; None: it isn't ours, or this browser's and operator's, or is over."""
    told, _, signature = field.rpartition(".")
    if not _same(signature, _signature(told, device_id, operator_id, settings)):
        return None
    ends_at, _, document = told.partition(".")
    left = int(ends_at) - now.timestamp()
    # More than an hour: made before the clock was set back.
    if not 0 < left <= LASTS.total_seconds():
        return None
    action, sent = json.loads(base64.urlsafe_b64decode(document))
    if not is_page(action):
        return None
    return KeptForm(action, tuple(_field(name, value) for name, value in sent))


def _is_asked_anew(name: str) -> bool:
    return name in {_SURE, _CODE} or is_secret(name)


def _field(name: str, value: str) -> KeptField:
    if name == _SURE:
        return KeptField(name, value, "sure")
    if name == _CODE:
        return KeptField(name, value, "code")
    if is_secret(name):
        return KeptField(name, value, "password")
    is_typed = bool(value.strip()) and name not in OWN_FIELDS
    return KeptField(name, value, "typed" if is_typed else "own")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _signature(told: str, device_id: str, operator_id: str, settings: Settings) -> str:
    key = derived_key(settings, "operator-kept-form")
    about = f"{told}\n{device_id}\n{operator_id}"
    return hmac.new(key, about.encode(), hashlib.sha256).hexdigest()
