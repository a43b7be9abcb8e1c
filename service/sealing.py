"""Secrets as the database has them: sealed by AES-256-GCM, and bound to the row that they belong to."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """A stored secret can't be opened: PAYWALL_SECRET_KEY isn't the one it was stored with."""


def seal(secret: bytes, key: bytes, bound_to: str) -> bytes:
    """`key` has 32 bytes; `bound_to` names the row, so that no other one can lend its secret."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, bound_to.encode())


def unseal(sealed: bytes, key: bytes, bound_to: str) -> bytes:
    """The inverse of `seal`. SecretUnreadable where key, row or bytes are others."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable(bound_to) from error
