"""Which private keys out of files are taken, and what is said of the others."""

import json
from base64 import encodebytes
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from service.tokens.key_files import LONGEST_FILE, read_private_key
from service.tokens.key_pairs import KeyRefused, PrivateKey, encode_base64url, public_half
from tests.tokens.examples import EDDSA_KEY, ES256_KEY

KEYS = pytest.mark.parametrize("key", [ES256_KEY, EDDSA_KEY], ids=lambda key: key.algorithm)


def private_jwk(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key.private, EllipticCurvePrivateKey):
        d = key.private.private_numbers().private_value.to_bytes(32, "big")
    else:
        d = key.private.private_bytes_raw()
    return {**public_half(key).jwk(), "d": encode_base64url(d)}


def pem(
    private: Any,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    written: bytes = private.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return written


def read(document: object) -> PrivateKey:
    return read_private_key(json.dumps(document).encode())


def is_same(read: PrivateKey, key: PrivateKey) -> bool:
    return (
        read.kid == key.kid
        and read.algorithm == key.algorithm
        and read.private.public_key() == key.private.public_key()
    )


EC = private_jwk(ES256_KEY)
ED = private_jwk(EDDSA_KEY)
OTHER_EC = private_jwk(PrivateKey("other", "ES256", ec.derive_private_key(7, ec.SECP256R1())))
OCT = {"kty": "oct", "k": "c2VjcmV0", "kid": "o", "alg": "HS256", "use": "sig"}


@KEYS
def test_a_jwk_is_taken_whole_or_bare_or_as_browsers_export_it(key: PrivateKey) -> None:
    jwk = private_jwk(key)
    bare = {name: jwk[name] for name in jwk if name not in {"alg", "use", "kid"}}
    exported = {**bare, "ext": True, "key_ops": ["sign"]}
    for document in (jwk, bare, exported, {"keys": [jwk]}, {**jwk, "key_ops": ["verify", "sign"]}):
        assert is_same(read(document), key)


@KEYS
def test_pem_is_taken(key: PrivateKey) -> None:
    assert is_same(read_private_key(pem(key.private)), key)
    assert is_same(read_private_key(b"Bag Attributes: <No Attributes>\n" + pem(key.private)), key)


def test_the_older_pem_of_an_ec_key_is_taken() -> None:
    older = pem(ES256_KEY.private, PrivateFormat.TraditionalOpenSSL)
    assert b"BEGIN EC PRIVATE KEY" in older
    assert is_same(read_private_key(older), ES256_KEY)
    # what `openssl ecparam -name prime256v1 -genkey` writes in front
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert is_same(read_private_key(parameters + older), ES256_KEY)


def test_the_file_does_not_name_the_key() -> None:
    assert read({**EC, "kid": "a name of its own"}).kid == ES256_KEY.kid


def rsa_jwk(bits: int) -> dict[str, Any]:
    modulus = encode_base64url(((1 << bits) - 1).to_bytes(bits // 8, "big"))
    return {"kty": "RSA", "n": modulus, "e": "AQAB", "d": modulus, "alg": "RS256", "use": "sig"}


def without(jwk: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in jwk.items() if other != name}


REFUSED: list[tuple[object, str]] = [
    (rsa_jwk(1024), "RSA of 1024 bits, which can be broken"),
    (rsa_jwk(2040), "RSA of 2040 bits, which can be broken"),
    (rsa_jwk(2048), "RSA, with which no token is signed"),
    ({**rsa_jwk(1024), "n": 1}, "no RSA modulus"),
    ({**rsa_jwk(1024), "n": "=="}, "no RSA modulus"),
    ({**EC, "kty": "RSA"}, "no RSA modulus"),
    (OCT, "symmetric"),
    ({**EC, "use": "enc"}, "isn't meant for signatures"),
    ({**EC, "use": None}, "isn't meant for signatures"),
    ({**EC, "key_ops": ["deriveKey"]}, "key_ops"),
    ({**EC, "key_ops": ["verify"]}, "key_ops"),
    ({**EC, "key_ops": ["sign", "sign"]}, "key_ops"),
    ({**EC, "key_ops": ["sign", "encrypt"]}, "key_ops"),
    ({**EC, "key_ops": []}, "key_ops"),
    ({**EC, "key_ops": "sign"}, "key_ops"),
    ({**EC, "alg": "ES384"}, "neither EC P-256"),
    ({**EC, "alg": "EdDSA"}, "neither EC P-256"),
    ({**EC, "alg": None}, "neither EC P-256"),
    ({**ED, "alg": "ES256"}, "neither EC P-256"),
    ({**EC, "crv": "P-384"}, "of another kind"),
    ({**EC, "crv": "secp256k1"}, "of another kind"),
    ({**ED, "crv": "X25519"}, "of another kind"),
    ({**ED, "kty": "EC"}, "of another kind"),
    ({**EC, "kty": ["EC"]}, "of another kind"),
    (without(EC, "kty"), "of another kind"),
    (without(EC, "crv"), "of another kind"),
    (without(EC, "y"), "isn't a point"),
    ({**EC, "y": EC["x"]}, "isn't a point"),
    ({**EC, "x": EC["x"] + "="}, "isn't a point"),
    (without(EC, "d"), "only a public key"),
    (without(ED, "d"), "only a public key"),
    ({**EC, "d": OTHER_EC["d"]}, "doesn't belong"),
    ({**ED, "d": encode_base64url(bytes(32))}, "doesn't belong"),
    ({**EC, "x": OTHER_EC["x"], "y": OTHER_EC["y"]}, "doesn't belong"),
    ({**EC, "d": encode_base64url(bytes(32))}, "isn't one of its curve"),
    ({**EC, "d": encode_base64url(b"\xff" * 32)}, "isn't one of its curve"),
    ({**EC, "d": EC["d"] + "="}, "isn't one of its curve"),
    ({**EC, "d": 7}, "isn't one of its curve"),
    ({**ED, "d": "AAAA"}, "isn't one of its curve"),
    ({"keys": []}, "empty"),
    ({"keys": {}}, "isn't a list of keys"),
    ({"keys": [EC["d"]]}, "isn't a list of keys"),
    ({"keys": [EC, EC]}, "the same kid"),
    ({"keys": [EC, {**OTHER_EC, "kid": EC["kid"]}]}, "the same kid"),
    ({"keys": [EC, OCT]}, "mixes symmetric keys"),
    ({"keys": [EC, OTHER_EC]}, "has 2 keys"),
    ({"keys": [without(EC, "d")]}, "only a public key"),
    ([EC], "neither a key nor a key set"),
    ("key", "neither a key nor a key set"),
    ({}, "of another kind"),
]


@pytest.mark.parametrize(("document", "reason"), REFUSED, ids=lambda value: str(value)[-50:])
def test_other_documents_are_refused_with_the_reason(document: object, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        read(document)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither PEM nor"),
        (b"\xff\xfe{}", "neither PEM nor"),
        (b"[" * 60_000, "neither PEM nor"),
        (b'{"kty":"EC","kty":"oct"}', "occurs twice"),
        (b" " * (LONGEST_FILE + 1), "longer than"),
    ],
    ids=["empty", "not UTF-8", "nested", "twice", "long"],
)
def test_other_files_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        read_private_key(data)


def public_pem(key: PrivateKey) -> bytes:
    return key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_other_pem_is_refused_with_the_reason() -> None:
    good = pem(ES256_KEY.private)
    password = BestAvailableEncryption(b"secret")
    cases = [
        (pem(rsa.generate_private_key(65537, 1024)), "RSA of 1024 bits"),  # noqa: S505 to be refused
        (pem(rsa.generate_private_key(65537, 2048)), "RSA, with which"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "curve secp384r1"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
        (pem(x25519.X25519PrivateKey.generate()), "another kind"),
        (pem(ed448.Ed448PrivateKey.generate()), "another kind"),
        (pem(ES256_KEY.private, encryption=password), "is encrypted"),
        (pem(ES256_KEY.private, PrivateFormat.TraditionalOpenSSL, password), "is encrypted"),
        (public_pem(ES256_KEY), "holds no private key"),
        (good + pem(EDDSA_KEY.private), "has 2 private keys"),
        (good.replace(b"M", b"N"), "can't be read"),
        (good[: len(good) // 2], "holds no private key"),
    ]
    for data, reason in cases:
        with pytest.raises(KeyRefused, match=reason):
            read_private_key(data)


def test_pem_whose_halves_do_not_belong_together_is_not_believed() -> None:
    der = ES256_KEY.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    strange = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    ours, theirs = (
        key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for key in (ES256_KEY.private.public_key(), strange)
    )
    assert ours in der
    text = encodebytes(der.replace(ours, theirs))
    mixed = b"-----BEGIN PRIVATE KEY-----\n" + text + b"-----END PRIVATE KEY-----\n"
    with pytest.raises(KeyRefused):
        read_private_key(mixed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([EC, ED]), st.sampled_from(sorted(EC)), JSON)
def test_any_value_of_any_member_is_taken_or_refused(
    jwk: dict[str, Any], name: str, value: Any
) -> None:
    try:
        key = read({**jwk, name: value})
    except KeyRefused:
        return
    assert key.kid in {ES256_KEY.kid, EDDSA_KEY.kid}


@given(st.binary(max_size=300), st.booleans())
def test_any_file_is_refused_and_nothing_else_happens(data: bytes, as_pem: bool) -> None:
    if as_pem:
        data = b"-----BEGIN PRIVATE KEY-----\n" + data + b"\n-----END PRIVATE KEY-----\n"
    with pytest.raises(KeyRefused):
        read_private_key(data)
