"""Random secrets, the hashes we store of them, and keys derived from the master secret."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.settings import Settings


def new_secret() -> str:
    """A credential of 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is stored of a secret. Random secrets need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same_secret(secret: str, stored_hash: str) -> bool:
    return hmac.compare_digest(hash_secret(secret), stored_hash)


def derived_key(settings: Settings, purpose: str) -> bytes:
    """32 bytes for one purpose, from PAYWALL_SECRET_KEY by HKDF-SHA256 (RFC 5869)."""
    return _derived(settings.secret_key.get_secret_value(), purpose)


@lru_cache(maxsize=64)  # more than there are purposes: each signed-in request needs one
def _derived(master: str, purpose: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"paywall/{purpose}".encode())
    return kdf.derive(master.encode())
