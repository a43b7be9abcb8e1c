"""Private keys out of files: a JSON Web Key, a set with one, or PEM.

Taken are exactly the two kinds that the service signs with: EC P-256 (ES256) and Ed25519 (EdDSA),
whole and consistent. Everything else is refused with a sentence that says what is wrong with it: RSA
and symmetric keys of any length, keys for encryption, sets that leave open which key is meant
(RFC 7517; RFC 8725, section 3.5).
"""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from service.tokens.key_pairs import (
    PRIVATE_MEMBERS,
    KeyRefused,
    PrivateKey,
    check_jwk,
    coordinate,
    decode_base64url,
    thumbprint,
)

LONGEST_FILE = 65_536
LEAST_RSA_BITS = 2048
"""Shorter ones are within reach of factoring (NIST SP 800-131A); longer ones we don't sign with."""
_WANTED = "Take an EC key on P-256 (ES256) or an Ed25519 key (EdDSA)."
_ALGORITHMS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


def read_private_key(data: bytes) -> PrivateKey:
    """The one key of a file; KeyRefused says why a file isn't taken.

    The kid is the key's thumbprint, whatever name the file gives it: so one kid never means two keys.
    """
    if len(data) > LONGEST_FILE:
        raise KeyRefused(f"The file is longer than {LONGEST_FILE} bytes: that is no key.")
    return _of_pem(data) if b"-----BEGIN" in data else _of_jwk(_only_key(_document(data)))


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise KeyRefused("The file is neither PEM nor well-formed JSON.") from error
    if not isinstance(document, dict):
        raise KeyRefused("The file's JSON is neither a key nor a key set.")
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise KeyRefused(
            "A member occurs twice in the file's JSON: it is unclear which one counts."
        )
    return members


def _only_key(document: dict[str, Any]) -> dict[str, Any]:
    """The key of a document, which is a key itself or a set of one."""
    if "keys" not in document:
        return document
    keys = document["keys"]
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise KeyRefused("The file's key set isn't a list of keys.")
    if not keys:
        raise KeyRefused("The file's key set is empty.")
    if len(keys) == 1:
        only: dict[str, Any] = keys[0]
        return only
    kids = [str(key.get("kid")) for key in keys if "kid" in key]
    if len(set(kids)) < len(kids):
        raise KeyRefused("Two keys of the set have the same kid: it is unclear which one is meant.")
    if len({key.get("kty") == "oct" for key in keys}) > 1:
        raise KeyRefused("The set mixes symmetric keys with others. Leave the one key that signs.")
    raise KeyRefused(f"The set has {len(keys)} keys. Leave the one that is to sign.")


def _of_jwk(jwk: dict[str, Any]) -> PrivateKey:
    _refuse_other_kinds(jwk)
    operations = jwk.get("key_ops", ["sign"])
    if not isinstance(operations, list) or sorted(map(str, operations)) not in (
        ["sign"],
        ["sign", "verify"],
    ):
        raise KeyRefused(
            "The key isn't meant for signing: its key_ops are others than sign, verify."
        )
    kind = _kind(jwk)
    checked = check_jwk(
        {
            "alg": _ALGORITHMS[kind],
            **{name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS},
            "kid": "in the file",
            "key_ops": ["verify"],
        }
    )
    if "d" not in jwk:
        raise KeyRefused("The file holds only a public key. Take the private one.")
    private = _private(kind, jwk["d"])
    if private.public_key() != checked.public:
        raise KeyRefused("The key's private member d doesn't belong to its public half.")
    return PrivateKey(thumbprint(checked.public), checked.algorithm, private)


def _refuse_other_kinds(jwk: Mapping[str, Any]) -> None:
    match jwk.get("kty"):
        case "oct":
            raise KeyRefused(
                f"The key is symmetric: a verifier of tokens could also make them. {_WANTED}"
            )
        case "RSA":
            raise _rsa_refused(_bits(jwk.get("n")))
    if _kind(jwk) not in _ALGORITHMS:
        raise KeyRefused(f"The key's kty and crv are of another kind. {_WANTED}")


def _kind(jwk: Mapping[str, Any]) -> tuple[str, str]:
    return str(jwk.get("kty")), str(jwk.get("crv"))


def _bits(modulus: object) -> int | None:
    if not isinstance(modulus, str):
        return None
    try:
        return int.from_bytes(decode_base64url(modulus), "big").bit_length()
    except ValueError:
        return None


def _rsa_refused(bits: int | None) -> KeyRefused:
    if bits is None:
        return KeyRefused(f"The key says RSA, but has no RSA modulus. {_WANTED}")
    if bits < LEAST_RSA_BITS:
        return KeyRefused(f"The key is RSA of {bits} bits, which can be broken. {_WANTED}")
    return KeyRefused(f"The key is RSA, with which no token is signed here. {_WANTED}")


def _private(kind: tuple[str, str], d: object) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    try:
        raw = coordinate(d)
        if kind == ("EC", "P-256"):
            return derive_private_key(int.from_bytes(raw, "big"), SECP256R1())
        return Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError as error:
        raise KeyRefused("The key's private member d isn't one of its curve.") from error


def _of_pem(data: bytes) -> PrivateKey:
    found = data.count(b"PRIVATE KEY-----") // 2
    if found == 0:
        raise KeyRefused("The file holds no private key. Take the private one.")
    if found > 1:
        raise KeyRefused(f"The file has {found} private keys. Leave the one that is to sign.")
    try:
        private = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise KeyRefused(
            "The key is encrypted. Decrypt it on the way: `openssl pkey -in FILE | paywall keys import -`."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"The file's private key can't be read. {_WANTED}") from error
    return _of_loaded(private)


def _of_loaded(private: PrivateKeyTypes) -> PrivateKey:
    if isinstance(private, Ed25519PrivateKey):
        return PrivateKey(thumbprint(private.public_key()), "EdDSA", private)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return PrivateKey(thumbprint(private.public_key()), "ES256", private)
    if isinstance(private, RSAPrivateKey):
        raise _rsa_refused(private.key_size)
    if isinstance(private, EllipticCurvePrivateKey):
        raise KeyRefused(f"The key is on the curve {private.curve.name}. {_WANTED}")
    raise KeyRefused(f"The key is of another kind. {_WANTED}")
