"""The anonymous reader: a device id, of its time and random bits, in a value that only we can sign.

The same value travels as cookie, or as `Paywall-Device` where a frontend holds no cookies.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from service.identity.secrets import derived_key
from service.settings import Settings

_SHAPE = re.compile(r"v1\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
_BY_TIME = re.compile(r"([0-9a-f]{11})[A-Za-z0-9_-]{10}t")
"""Ids that begin with their time. The older ones are 16 random bytes, whose 22nd character is never a `t`."""
HEADER = "Paywall-Device"
COOKIE_SECONDS = 400 * 24 * 3600
"""Browsers cap cookies at 400 days (RFC 6265bis)."""
_REMEMBERED = 10_000
"""Devices of which a process remembers what it worked out."""


def new_device_id(now: datetime) -> str:
    """The milliseconds of wall time in 11 digits, and 60 random bits."""
    return f"{int(now.timestamp() * 1000):011x}{secrets.token_urlsafe(8)[:10]}t"


SAMPLED = "7"
"""The digit with which the names of one device in sixteen begin; those of one in 256 begin with two of them."""
_DIGITS = 24


@lru_cache(maxsize=_REMEMBERED)
def pseudonym(device_id: str) -> str:
    """The device's name in tokens, ledger and reports, from which nobody can make its cookie.

    New devices have names that follow each other: in each index their rows lie on the same few pages, where random
    names would touch a page each. Before the time comes what draws a sample of devices.
    """
    digest, made = hashlib.sha256(device_id.encode()).hexdigest(), _BY_TIME.fullmatch(device_id)
    if made is not None:
        rest = digest.lstrip(SAMPLED)
        digest = f"{SAMPLED * (len(digest) - len(rest))}0{made[1]}{rest}"
    return f"dev_{digest[:_DIGITS]}"


class SentDevice(NamedTuple):
    """Whose device a request comes from, None: no known one's; `by_cookie`: it holds our cookie."""

    id: str | None
    by_cookie: bool


@dataclass(frozen=True)
class DeviceKey:
    """Signs device ids and reads them back; `secret` is 32 bytes for this purpose alone."""

    secret: bytes = field(repr=False)

    def sign(self, device_id: str) -> str:
        """`v1.<id>.<HMAC-SHA256>`."""
        return _signed(self.secret, device_id)

    def read(self, value: str | None) -> str | None:
        """The device id in `value`, or None when we didn't sign it."""
        match = _SHAPE.fullmatch(value or "")
        if match is None:
            return None
        expected = self.sign(match.group(1))
        return match.group(1) if hmac.compare_digest(expected, match.string) else None

    def sent(self, cookie: str | None, header: str | None) -> SentDevice:
        """The device of a request with these values of ours: a valid cookie comes before the header."""
        by_cookie = self.read(cookie)
        return SentDevice(by_cookie or self.read(header), by_cookie is not None)


@lru_cache(maxsize=_REMEMBERED)
def _signed(secret: bytes, device_id: str) -> str:
    mac = hmac.digest(secret, f"v1.{device_id}".encode(), "sha256")
    return f"v1.{device_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def device_key(settings: Settings) -> DeviceKey:
    """The key of this installation."""
    return DeviceKey(derived_key(settings, "device"))
