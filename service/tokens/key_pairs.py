"""Key pairs: making, naming, publishing and sealing them.

A key's `kid` is its RFC 7638 thumbprint, so that one kid can never mean two keys. Private halves are
stored sealed by AES-256-GCM under a key that the caller derives from the settings, bound to kid and
algorithm.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from service import sealing

Algorithm = Literal["ES256", "EdDSA"]
COORDINATE_BYTES = 32
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


class KeyRefused(Exception):
    """The operation on a key isn't possible; the text says why and what to do."""


class KeyUnreadable(KeyRefused):
    """A stored private key can't be opened with the present secret."""

    def __init__(self, kid: str) -> None:
        super().__init__(
            f"The signing key {kid} can't be read: PAYWALL_SECRET_KEY isn't the one it was stored "
            "with. Set the former secret again; or, if it is lost, give the keys up with "
            "`paywall keys revoke`, first the next key, then the active one."
        )


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs with exactly one algorithm."""

    kid: str
    algorithm: Algorithm
    private: EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies exactly one algorithm."""

    kid: str
    algorithm: Algorithm
    public: EllipticCurvePublicKey | Ed25519PublicKey

    def jwk(self) -> dict[str, str]:
        """The JSON Web Key (RFC 7517, RFC 8037): public members only."""
        return {
            **_identifying_members(self.public),
            "kid": self.kid,
            "alg": self.algorithm,
            "use": "sig",
        }


def generate(algorithm: Algorithm) -> PrivateKey:
    """A new key pair."""
    private = (
        generate_private_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()
    )
    return PrivateKey(thumbprint(private.public_key()), algorithm, private)


def public_half(key: PrivateKey) -> PublicKey:
    return PublicKey(key.kid, key.algorithm, key.private.public_key())


def encode_base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The one inverse of `encode_base64url`; ValueError for any other spelling.

    Padding, other alphabets, whitespace and unused trailing bits are other spellings of the same
    bytes, and a second spelling of a token must not pass for the first.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode_base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def _identifying_members(public: EllipticCurvePublicKey | Ed25519PublicKey) -> dict[str, str]:
    if isinstance(public, Ed25519PublicKey):
        x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(x)}
    point = public.public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": encode_base64url(point.x.to_bytes(COORDINATE_BYTES, "big")),
        "y": encode_base64url(point.y.to_bytes(COORDINATE_BYTES, "big")),
    }


def thumbprint(public: EllipticCurvePublicKey | Ed25519PublicKey) -> str:
    """The RFC 7638 thumbprint: SHA-256 over the identifying members in order."""
    members = json.dumps(_identifying_members(public), sort_keys=True, separators=(",", ":"))
    return encode_base64url(hashlib.sha256(members.encode()).digest())


def check_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """The public key of a JSON Web Key, or KeyRefused with the reason.

    Accepted are exactly P-256 with ES256 and Ed25519 with EdDSA, meant for signatures, with a kid,
    the point on the curve and each coordinate in its one spelling. Everything else is refused, RSA
    and symmetric keys of any length included: the service signs with nothing else.
    """
    kid, kind = jwk.get("kid"), (jwk.get("kty"), jwk.get("crv"), jwk.get("alg"))
    if not isinstance(kid, str) or not kid:
        raise KeyRefused("The key has no kid. Give it one.")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise KeyRefused(f"The key {kid} carries private members. Publish its public half only.")
    if jwk.get("use", "sig") != "sig" or jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise KeyRefused(f"The key {kid} isn't meant for signatures. Use one with use: sig.")
    try:
        if kind == ("EC", "P-256", "ES256"):
            x, y = coordinate(jwk.get("x")), coordinate(jwk.get("y"))
            numbers = EllipticCurvePublicNumbers(
                int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1()
            )
            return PublicKey(kid, "ES256", numbers.public_key())
        if kind == ("OKP", "Ed25519", "EdDSA"):
            return PublicKey(
                kid, "EdDSA", Ed25519PublicKey.from_public_bytes(coordinate(jwk.get("x")))
            )
    except ValueError as error:
        raise KeyRefused(f"The key {kid} isn't a point on its curve. Export it anew.") from error
    raise KeyRefused(
        f"The key {kid} is neither EC P-256 with alg ES256 nor OKP Ed25519 with alg EdDSA. "
        "Make one of these."
    )


def coordinate(value: object) -> bytes:
    """The 32 bytes of a JSON Web Key's member; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError("a coordinate is absent")  # noqa: TRY004 one error type for all that is off
    raw = decode_base64url(value)
    if len(raw) != COORDINATE_BYTES:
        raise ValueError("a coordinate has the wrong length")
    return raw


def seal(key: PrivateKey, encryption_key: bytes) -> str:
    """The private half as text for the database; `encryption_key` has 32 bytes."""
    der = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encode_base64url(sealing.seal(der, encryption_key, _bound_to(key.kid, key.algorithm)))


def unseal(sealed: str, *, kid: str, algorithm: Algorithm, encryption_key: bytes) -> PrivateKey:
    """The inverse of `seal`; KeyUnreadable when the secret or the stored text has changed."""
    try:
        raw = decode_base64url(sealed)
        der = sealing.unseal(raw, encryption_key, _bound_to(kid, algorithm))
    except (sealing.SecretUnreadable, ValueError) as error:
        raise KeyUnreadable(kid) from error
    private = load_der_private_key(der, password=None)
    if not isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise KeyUnreadable(kid)
    return PrivateKey(kid, algorithm, private)


def _bound_to(kid: str, algorithm: Algorithm) -> str:
    return f"{kid} {algorithm}"
