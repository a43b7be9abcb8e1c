"""Secrets of webhook endpoints, and the signatures made with them (Standard Webhooks, symmetric: v1).

A secret is 32 random bytes, shown as `whsec_` and base64. It is stored sealed by AES-256-GCM under a
key that the caller derives from the settings, bound to its endpoint.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from service import sealing
from service.sealing import SecretUnreadable

SEALED_FOR = "webhook-secrets"
"""The purpose of the key that seals them."""
PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> bytes:
    """256 random bits; the specification asks for 192 to 512."""
    return secrets.token_bytes(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The secret as receivers configure it."""
    return PREFIX + base64.b64encode(secret).decode()


def seal(secret: bytes, endpoint_id: str, sealing_key: bytes) -> str:
    """The secret as text for the database; `sealing_key` has 32 bytes."""
    return base64.b64encode(sealing.seal(secret, sealing_key, endpoint_id)).decode()


def unseal(sealed: str, endpoint_id: str, sealing_key: bytes) -> bytes:
    """The inverse of `seal`. SecretUnreadable where key, endpoint or text are others."""
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretUnreadable(endpoint_id) from error
    return sealing.unseal(raw, sealing_key, endpoint_id)


def signed_headers(
    event_id: str, body: bytes, secrets_: Sequence[bytes], now: datetime
) -> dict[str, str]:
    """The three headers of one try at `now`, with one signature for each secret."""
    timestamp = str(int(now.timestamp()))
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (hmac.digest(secret, signed, hashlib.sha256) for secret in secrets_)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
