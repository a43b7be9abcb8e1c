"""The proof between the two steps of signing in: the password was right, the second factor is to come.

The state travels in a field of the form: signed, for five minutes, for one operator and the password
of that moment. It opens nothing by itself, so it needs neither cookie nor row.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta

from service.db.tables import Operator
from service.identity.secrets import derived_key
from service.settings import Settings

LASTS = timedelta(minutes=5)
_SHAPE = re.compile(r"v1\.([a-z]{3}_[0-9a-f]{24})\.([0-9]{1,12})\.([0-9a-f]{64})")


def password_proof(operator: Operator, *, now: datetime, settings: Settings) -> str:
    """The field's value. `now` is wall time."""
    ends_at = int((now + LASTS).timestamp())
    return f"v1.{operator.id}.{ends_at}.{_signature(operator, ends_at, settings)}"


def operator_id_in(value: str) -> str | None:
    """Whose value it claims to be; nothing of it is checked yet."""
    match = _SHAPE.fullmatch(value)
    return match.group(1) if match else None


def proves_password(value: str, operator: Operator, *, now: datetime, settings: Settings) -> bool:
    """Whether the value is ours, of this operator and password, and not over."""
    match = _SHAPE.fullmatch(value)
    if match is None or match.group(1) != operator.id:
        return False
    ends_at = int(match.group(2))
    left = ends_at - now.timestamp()
    # More than five minutes: made before the clock was set back.
    if not 0 < left <= LASTS.total_seconds():
        return False
    return hmac.compare_digest(match.group(3), _signature(operator, ends_at, settings))


def _signature(operator: Operator, ends_at: int, settings: Settings) -> str:
    key = derived_key(settings, "operator-password-proof")
    told = f"{operator.id}\n{ends_at}\n{operator.password_hash}".encode()
    return hmac.new(key, told, hashlib.sha256).hexdigest()
