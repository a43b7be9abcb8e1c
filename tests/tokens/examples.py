"""Valid claims, a ring to sign them with, and a forger who holds our keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from service.tokens.claims import (
    AccessClaims,
    Claims,
    Entitlement,
    UnlockClaims,
    access_claims,
    unlock_claims,
)
from service.tokens.key_pairs import (
    Algorithm,
    PrivateKey,
    PublicKey,
    encode_base64url,
    public_half,
    thumbprint,
)
from service.tokens.ring import KeyRing

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
ISSUER = "https://news.example"
AUDIENCE = "gazette"
ENCRYPTION_KEY = bytes(range(32))


def _known(
    algorithm: Algorithm, private: EllipticCurvePrivateKey | Ed25519PrivateKey
) -> PrivateKey:
    return PrivateKey(thumbprint(private.public_key()), algorithm, private)


# The same keys in every process: parallel workers must collect the same cases.
ES256_KEY = _known("ES256", derive_private_key(20_260_310, SECP256R1()))
EDDSA_KEY = _known("EdDSA", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def ring_of(active: PrivateKey, *others: PublicKey) -> KeyRing:
    return KeyRing((public_half(active), *others), active.kid, active)


@dataclass
class Rings:
    """A holder whose ring a test replaces."""

    current: KeyRing


RING = ring_of(ES256_KEY, public_half(EDDSA_KEY))


def access(
    now: datetime = NOW,
    life: timedelta = timedelta(minutes=10),
    entitlements: tuple[Entitlement, ...] = (
        Entitlement(plan="digital", scope="everything", until=1_775_000_000, grace=False),
        Entitlement(plan=None, scope="section:sport", until=None, grace=True),
    ),
    token_id: str = "tok_1",
) -> AccessClaims:
    return access_claims(
        issuer=ISSUER,
        audience=AUDIENCE,
        reader_id="rdr_1",
        session_id="ses_1",
        client_id="web",
        scope="read",
        entitlements=entitlements,
        token_id=token_id,
        now=now,
        life=life,
    )


def unlock(
    now: datetime = NOW,
    life: timedelta = timedelta(minutes=10),
    session_id: str | None = None,
    token_id: str = "tok_2",
) -> UnlockClaims:
    return unlock_claims(
        issuer=ISSUER,
        audience=AUDIENCE,
        holder_id="dev_1",
        article="harbour-wall",
        reason="metered",
        session_id=session_id,
        token_id=token_id,
        now=now,
        life=life,
    )


def header_of(claims: Claims, key: PrivateKey = ES256_KEY) -> dict[str, Any]:
    return {"alg": key.algorithm, "kid": key.kid, "typ": claims.typ}


def raw_signature(signing_input: bytes, key: PrivateKey) -> bytes:
    if isinstance(key.private, EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.private.sign(signing_input, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.private.sign(signing_input)


def as_json(value: Mapping[str, Any] | bytes) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def forge(
    header: Mapping[str, Any] | bytes, content: Mapping[str, Any] | bytes, key: PrivateKey
) -> str:
    """Any header and content, truly signed by `key`: only checks beyond the signature can refuse."""
    signing_input = f"{encode_base64url(as_json(header))}.{encode_base64url(as_json(content))}"
    signature = raw_signature(signing_input.encode(), key)
    return f"{signing_input}.{encode_base64url(signature)}"
