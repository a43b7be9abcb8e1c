import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from service.problems import Problem
from service.tokens.claims import Claims
from service.tokens.key_pairs import (
    PrivateKey,
    decode_base64url,
    encode_base64url,
    generate,
)
from service.tokens.ring import KeyRing
from service.tokens.signing import LONGEST_TOKEN, open_signed, sign, verify
from tests.tokens.examples import (
    AUDIENCE,
    EDDSA_KEY,
    ES256_KEY,
    ISSUER,
    NOW,
    RING,
    access,
    as_json,
    forge,
    header_of,
    raw_signature,
    unlock,
)

TOKEN = sign(access(), ES256_KEY)
HEADER = header_of(access())
CONTENT = access().payload()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def check(token: str | bytes, ring: KeyRing = RING) -> Claims:
    return verify(token, ring, issuer=ISSUER, audience=AUDIENCE, now=NOW)


def refusal(token: str | bytes, ring: KeyRing = RING) -> str:
    """The reason of the refusal, which is a 401 with the header of RFC 6750."""
    with pytest.raises(Problem) as caught:
        check(token, ring)
    assert caught.value.slug == "invalid-token"
    assert caught.value.type.status == 401
    assert caught.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return caught.value.detail


@pytest.mark.parametrize("key", [ES256_KEY, EDDSA_KEY], ids=lambda key: key.algorithm)
@pytest.mark.parametrize(
    "claims", [access(), unlock(), unlock(session_id="ses_1")], ids=lambda claims: claims.typ
)
def test_what_is_signed_is_verified(key: PrivateKey, claims: Claims) -> None:
    token = sign(claims, key)
    assert check(token) == claims
    assert check(token.encode()) == claims


def test_the_header_holds_three_members() -> None:
    assert json.loads(decode_base64url(TOKEN.split(".")[0])) == HEADER


def test_the_forger_can_make_a_valid_token_too() -> None:
    assert check(forge(HEADER, CONTENT, ES256_KEY)) == access()


FOREIGN_MEMBERS: list[dict[str, Any]] = [
    {"crit": ["exp"]},
    {"crit": []},
    {"jwk": {"kty": "EC"}},
    {"jku": "https://evil.example/jwks.json"},
    {"x5u": "https://evil.example/cert.pem"},
    {"x5c": ["AAAA"]},
    {"x5t": "AAAA"},
    {"b64": False, "crit": ["b64"]},
    {"b64": True},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"enc": "A256GCM"},
    {"anything": None},
]


@pytest.mark.parametrize("members", FOREIGN_MEMBERS, ids=repr)
def test_other_header_members_are_refused(members: dict[str, Any]) -> None:
    assert "header" in refusal(forge({**HEADER, **members}, CONTENT, ES256_KEY))


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["ES256"], ""], ids=repr)
def test_header_members_are_the_strings_expected(name: str, value: Any) -> None:
    refusal(forge({**HEADER, name: value}, CONTENT, ES256_KEY))


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_all_three_header_members_are_needed(name: str) -> None:
    header = {other: value for other, value in HEADER.items() if other != name}
    refusal(forge(header, CONTENT, ES256_KEY))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"ES256"',
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 300,
        b'{"alg":' * 60,
        as_json(HEADER)[:-1] + b',"alg":"ES256"}',
        as_json(HEADER)[:-1] + b',"kid":"other"}',
        as_json(HEADER) + b" trailing",
    ],
    ids=repr,
)
def test_a_header_that_is_no_plain_object_is_refused(raw: bytes) -> None:
    refusal(forge(raw, CONTENT, ES256_KEY))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"foo",
        b"\xff",
        as_json(CONTENT)[:-1] + b',"sub":"rdr_2"}',
        as_json(CONTENT)[:-1] + b',"sub":"rdr_1"}',
        as_json(CONTENT)[:-1] + b',"later":{"a":1,"a":2}}',
        as_json(CONTENT)[:-1] + b',"later":NaN}',
        as_json(CONTENT)[:-1] + b',"later":-Infinity}',
        as_json(CONTENT)[:-1] + b',"later":' + b"1" * 5000 + b"}",
        as_json({**CONTENT, "exp": 0})[:-2] + b"1e999}",
        as_json({**CONTENT, "sub": "\ud800"}),
        b"[" * 5000,
        b'{"a":' * 1200,
    ],
    ids=lambda raw: repr(raw)[-24:],
)
def test_content_that_is_no_plain_object_is_refused_though_signed(raw: bytes) -> None:
    refusal(forge(HEADER, raw, ES256_KEY))


def test_an_unknown_key_is_refused() -> None:
    stranger = generate("ES256")
    assert "isn't one of ours" in refusal(sign(access(), stranger))


def test_a_strangers_signature_under_our_kid_is_refused() -> None:
    stranger = generate("ES256")
    assert "signature doesn't match" in refusal(forge(HEADER, CONTENT, stranger))


def test_the_public_key_is_no_hmac_secret() -> None:
    public = ES256_KEY.private.public_key()
    spellings = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        as_json(RING.public_jwks()["keys"][0]),
    ]
    header = encode_base64url(as_json({**HEADER, "alg": "HS256"}))
    signing_input = f"{header}.{encode_base64url(as_json(CONTENT))}"
    for secret in spellings:
        mac = hmac.digest(secret, signing_input.encode(), hashlib.sha256)
        assert "algorithm" in refusal(f"{signing_input}.{encode_base64url(mac)}")


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS256", "RS256", "ES384", "EdDSA", "es256"]
)
def test_a_key_has_one_algorithm(algorithm: str) -> None:
    token = forge({**HEADER, "alg": algorithm}, CONTENT, ES256_KEY)
    assert "algorithm" in refusal(token)
    assert "three parts" in refusal(token.rpartition(".")[0] + ".")


def test_a_signature_of_one_key_does_not_pass_for_another_of_the_ring() -> None:
    assert "signature" in refusal(forge(header_of(access(), EDDSA_KEY), CONTENT, ES256_KEY))


@pytest.mark.parametrize(
    "claims", [{**CONTENT, "aud": "other"}, {**CONTENT, "iss": "other"}, {**CONTENT, "exp": 1}]
)
def test_refused_claims_are_a_refused_token(claims: dict[str, Any]) -> None:
    refusal(forge(HEADER, claims, ES256_KEY))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        TOKEN + ".",
        "." + TOKEN,
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN.replace(".", ". "),
        TOKEN.replace(".", "=."),
        TOKEN.replace(".", "%2e"),
        TOKEN.rpartition(".")[0],
        TOKEN.rpartition(".")[0] + ".",
        TOKEN + "\x00",
        TOKEN + "é",
        TOKEN + "\ud800",
        "é" * 9000,
        json.dumps({"payload": "", "signatures": []}),
    ],
    ids=lambda token: f"{len(token)}-characters",
)
def test_only_three_parts_of_base64url_are_a_token(token: str) -> None:
    refusal(token)
    refusal(token.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_unused_bits_of_the_last_character_make_no_second_token(part: int) -> None:
    for spaces in range(3):  # JSON takes white space: one of three lengths leaves unused bits
        token = forge(as_json(HEADER) + b" " * spaces, as_json(CONTENT) + b" " * spaces, ES256_KEY)
        parts = token.split(".")
        if len(parts[part]) % 4 == 0:
            continue
        last = ALPHABET[ALPHABET.index(parts[part][-1]) ^ 1]
        parts[part] = parts[part][:-1] + last
        assert "canonical" in refusal(".".join(parts))
        return
    pytest.fail("no length with unused bits was tried")


def test_the_other_valid_ecdsa_signature_is_the_same_token_by_its_id() -> None:
    signing_input, _, signature = TOKEN.rpartition(".")
    raw = decode_base64url(signature)
    mirrored = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    twin = check(f"{signing_input}.{encode_base64url(mirrored)}")
    assert twin.jti == access().jti


def test_signatures_of_another_shape_are_refused() -> None:
    signing_input = TOKEN.rpartition(".")[0]
    raw = raw_signature(signing_input.encode(), ES256_KEY)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    shapes = [
        encode_dss_signature(r, s),
        raw + b"\0",
        raw[:-1],
        b"\0" + raw[:32] + b"\0" + raw[32:],
        bytes(64),
        bytes(63) + b"\1",
        b"\0",
        bytes(1000),
    ]
    for shape in shapes:
        assert "signature" in refusal(f"{signing_input}.{encode_base64url(shape)}")


def test_long_tokens_are_refused_at_once() -> None:
    assert "longer than" in refusal("a" * (LONGEST_TOKEN + 1))
    assert "longer than" in refusal(b"a" * 50_000_000)
    padded = forge({**HEADER, "kid": "k" * 500}, CONTENT, ES256_KEY)
    assert "header is longer" in refusal(padded)


def test_hostile_tokens_take_no_time() -> None:
    hostile = [
        "a" * LONGEST_TOKEN,
        f"{'a' * 512}.{'a' * 7000}.{'a' * 600}",
        ("." * LONGEST_TOKEN),
        forge(HEADER, b"[" * 5500, ES256_KEY),
        forge(HEADER, b'{"a":' * 1100, ES256_KEY),
        forge(HEADER, b"1" * 5500, ES256_KEY),
    ]
    for token in hostile:
        started = time.process_time()
        refusal(token)
        assert time.process_time() - started < 0.1


def test_open_signed_tells_authentic_content_from_acceptable_claims() -> None:
    token = forge(HEADER, b"not claims at all", ES256_KEY)
    assert open_signed(token, RING).content == b"not claims at all"
    refusal(token)


def test_a_token_outlives_its_end_by_the_leeway_only() -> None:
    end = NOW + timedelta(minutes=10)
    for late, accepted in [(59, True), (60, False)]:
        now = end + timedelta(seconds=late)
        if accepted:
            verify(TOKEN, RING, issuer=ISSUER, audience=AUDIENCE, now=now)
            continue
        with pytest.raises(Problem, match="expired"):
            verify(TOKEN, RING, issuer=ISSUER, audience=AUDIENCE, now=now)


@given(st.text() | st.binary())
def test_any_text_is_refused_and_nothing_else_happens(token: str | bytes) -> None:
    refusal(token)


SEGMENTS = st.binary(max_size=60).map(encode_base64url) | st.text(alphabet=ALPHABET, max_size=60)


@given(st.lists(SEGMENTS, min_size=3, max_size=3).map(".".join))
def test_any_three_parts_are_refused_and_nothing_else_happens(token: str) -> None:
    refusal(token)


@given(content=st.binary(max_size=200) | st.text().map(str.encode))
def test_any_signed_content_is_refused_and_nothing_else_happens(content: bytes) -> None:
    refusal(forge(HEADER, content, ES256_KEY))


@given(position=st.integers(0, len(TOKEN) - 1), character=st.sampled_from(ALPHABET + ".=+/ \n"))
def test_any_changed_character_is_refused(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed != TOKEN:
        refusal(changed)
