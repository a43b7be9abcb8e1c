"""The CSRF field of operators' forms: an HMAC of the session, so nothing has to be stored."""

import hashlib
import hmac

from service.problems import Problem


def csrf_token(session_secret: str, key: bytes) -> str:
    """The field's value for this session; `key` is 32 bytes."""
    return hmac.new(key, session_secret.encode(), hashlib.sha256).hexdigest()


def check_csrf(given: str, session_secret: str, key: bytes) -> None:
    """Raise the problem `invalid-form` unless `given` belongs to the session."""
    if not hmac.compare_digest(given.encode(), csrf_token(session_secret, key).encode()):
        raise Problem("invalid-form")
