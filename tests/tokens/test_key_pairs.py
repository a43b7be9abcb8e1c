from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from service.tokens.key_pairs import (
    Algorithm,
    KeyRefused,
    KeyUnreadable,
    check_jwk,
    decode_base64url,
    encode_base64url,
    generate,
    public_half,
    seal,
    thumbprint,
    unseal,
)
from tests.tokens.examples import EDDSA_KEY, ENCRYPTION_KEY, ES256_KEY

P256 = public_half(ES256_KEY).jwk()
ED25519 = public_half(EDDSA_KEY).jwk()
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "EdDSA")


def test_the_thumbprint_is_the_one_of_rfc_8037() -> None:
    # the key of RFC 8037, appendix A.2; its thumbprint from A.3
    x = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key = Ed25519PublicKey.from_public_bytes(x)
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_published_and_read_back(algorithm: Algorithm) -> None:
    key = public_half(generate(algorithm))
    read = check_jwk(key.jwk())
    assert (read.kid, read.algorithm) == (key.kid, algorithm)
    assert read.public == key.public
    assert read.kid == thumbprint(read.public)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_private_is_published(algorithm: Algorithm) -> None:
    published = public_half(generate(algorithm)).jwk()
    assert published.keys() <= {"kty", "crv", "x", "y", "kid", "alg", "use"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_sealed_key_opens_with_its_secret_alone(algorithm: Algorithm) -> None:
    key = generate(algorithm)
    sealed = seal(key, ENCRYPTION_KEY)
    opened = unseal(sealed, kid=key.kid, algorithm=algorithm, encryption_key=ENCRYPTION_KEY)
    assert opened.private.public_key() == key.private.public_key()
    with pytest.raises(KeyUnreadable, match="PAYWALL_SECRET_KEY isn't the one it was stored with"):
        unseal(sealed, kid=key.kid, algorithm=algorithm, encryption_key=bytes(32))


def test_a_sealed_key_is_bound_to_its_row() -> None:
    sealed = seal(ES256_KEY, ENCRYPTION_KEY)
    with pytest.raises(KeyUnreadable):
        unseal(sealed, kid="another", algorithm="ES256", encryption_key=ENCRYPTION_KEY)
    with pytest.raises(KeyUnreadable):
        unseal(sealed, kid=ES256_KEY.kid, algorithm="EdDSA", encryption_key=ENCRYPTION_KEY)


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "A" * 200])
def test_a_damaged_row_is_unreadable_and_nothing_worse(text: str) -> None:
    with pytest.raises(KeyUnreadable):
        unseal(text, kid="k", algorithm="ES256", encryption_key=ENCRYPTION_KEY)


def test_sealing_hides_the_key() -> None:
    der = ES256_KEY.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert der[-40:] not in decode_base64url(seal(ES256_KEY, ENCRYPTION_KEY))
    assert seal(ES256_KEY, ENCRYPTION_KEY) != seal(ES256_KEY, ENCRYPTION_KEY)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**P256, "kid": ""}, "no kid"),
    ({**P256, "kid": None}, "no kid"),
    ({**P256, "d": "AA"}, "private members"),
    ({**P256, "use": "enc"}, "isn't meant for signatures"),
    ({**P256, "key_ops": ["encrypt"]}, "isn't meant for signatures"),
    ({**P256, "alg": "ES384"}, "neither EC P-256"),
    ({**P256, "alg": "HS256"}, "neither EC P-256"),
    ({**P256, "crv": "P-384"}, "neither EC P-256"),
    ({**P256, "kty": []}, "neither EC P-256"),
    ({**ED25519, "alg": "ES256"}, "neither EC P-256"),
    ({"kid": "k", "kty": "oct", "k": "AAAA", "alg": "HS256"}, "neither EC P-256"),
    ({"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS256"}, "neither EC P-256"),
    ({**P256, "x": P256["y"]}, "isn't a point"),
    ({**P256, "y": encode_base64url(bytes(32))}, "isn't a point"),
    ({**P256, "y": P256["y"] + "="}, "isn't a point"),
    ({**P256, "x": 7}, "isn't a point"),
    ({**P256, "x": encode_base64url(bytes(31))}, "isn't a point"),
    ({**ED25519, "x": "AAAA"}, "isn't a point"),
    ({name: value for name, value in P256.items() if name != "y"}, "isn't a point"),
]


@pytest.mark.parametrize(("jwk", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_other_keys_are_refused(jwk: dict[str, Any], reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        check_jwk(jwk)


@given(st.binary(max_size=100))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = encode_base64url(raw)
    assert decode_base64url(text) == raw
    assert set(text).isdisjoint("+/=")


@pytest.mark.parametrize("text", ["QQ==", "QR", "QQ\n", " QQ", "Q", "Q+==", "+/+/", "QQ.", "é"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ASCII"):
        decode_base64url(text)
