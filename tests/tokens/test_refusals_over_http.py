"""What a token must not get past, tried on the whole application as `Authorization: Bearer …`.

Every refusal is a 401 as `application/problem+json`, quick, without a connection to anywhere.
"""

import hashlib
import hmac
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.db.session import Database
from service.identity.secrets import derived_key
from service.settings import Settings
from service.tokens.claims import UnlockClaims
from service.tokens.key_pairs import (
    KeyRefused,
    PrivateKey,
    PublicKey,
    check_jwk,
    decode_base64url,
    encode_base64url,
    generate,
    public_half,
)
from service.tokens.keys import RETIRING_FOR, KeyRingHolder, prune, revoke, rotate
from service.tokens.ring import KeyRing
from service.tokens.verifier import TokenVerifier
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.running import exchange
from tests.tokens.examples import Rings, as_json, forge, raw_signature
from tests.tokens.outbound import connections

pytestmark = on_sqlite

"""No refusal gets as far as the database; a connection to one would only hide others."""

MINUTE = timedelta(minutes=1)
QUICK = 0.1
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PATH = "/v1/articles/a/full"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        await made.publish("a")
        yield made


async def get(paywall: Paywall, token: str | bytes, path: str = PATH) -> httpx2.Response:
    raw = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    bearer = [(b"authorization", b"Bearer " + raw)]
    return await paywall.client.get(path, headers=bearer)


async def failures(paywall: Paywall, tokens: Mapping[str, str | bytes]) -> list[str]:
    """The names of all tokens that weren't refused as they should be, with what happened."""
    found = []
    for name, token in tokens.items():
        for path in (PATH, "/v1/me"):
            took = 1.0
            for _ in range(3):  # background work of this process counts as well
                started = time.process_time()
                with connections() as connected:
                    answer = await get(paywall, token, path)
                took = min(took, time.process_time() - started)
                if took <= QUICK:
                    break
            is_refused = (
                answer.status_code == 401
                and answer.headers["content-type"] == "application/problem+json"
                and answer.json()["type"] == "/problems/invalid-token"
                and answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            )
            if not is_refused or connected or took > QUICK:
                found.append(
                    f"{path} {name}: {answer.status_code} {answer.text} {connected} {took}"
                )
    return found


class Forger:
    """Holds the active key and valid claims of both kinds; changes one thing at a time."""

    def __init__(self, paywall: Paywall, access: str, unlock: str) -> None:
        self.ring: KeyRing = paywall.app.running.get(KeyRingHolder).current
        self.key = self.ring.active
        self.valid = {
            str(self._part(token, 0)["typ"]): self._part(token, 1) for token in (access, unlock)
        }

    @staticmethod
    def _part(token: str, number: int) -> dict[str, Any]:
        part: dict[str, Any] = json.loads(decode_base64url(token.split(".")[number]))
        return part

    def header(self, typ: str = "at+jwt") -> dict[str, Any]:
        return {"alg": self.key.algorithm, "kid": self.key.kid, "typ": typ}

    def forged(
        self,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        typ: str = "at+jwt",
        without: str = "",
        key: PrivateKey | None = None,
    ) -> str:
        content = {**self.valid[typ], **(claims or {})}
        content.pop(without, None)
        return forge({**self.header(typ), **(header or {})}, content, key or self.key)


@pytest.fixture
async def forger(paywall: Paywall) -> Forger:
    await paywall.sign_in("everything")
    unlocked = (await paywall.unlock("a")).json()["token"]
    return Forger(paywall, await paywall.access_token(), unlocked)


async def test_what_the_forger_changes_nothing_in_is_accepted(
    paywall: Paywall, forger: Forger
) -> None:
    for typ in forger.valid:
        assert (await get(paywall, forger.forged(typ=typ))).status_code == 200
    assert (await get(paywall, forger.forged(), "/v1/articles/a/access")).status_code == 200
    assert await failures(paywall, {"a control": forger.forged()}) != []


async def test_every_claim_of_either_kind_is_required(paywall: Paywall, forger: Forger) -> None:
    missing = {
        f"{typ} without {name}": forger.forged(typ=typ, without=name)
        for typ, claims in forger.valid.items()
        for name in claims
        if (typ, name) != (UnlockClaims.typ, "sid")
    }
    assert len(missing) >= 18
    assert await failures(paywall, missing) == []


async def test_claims_have_one_type_and_are_ours(paywall: Paywall, forger: Forger) -> None:
    ours = forger.valid["at+jwt"]
    issuer, audience, now = ours["iss"], ours["aud"], ours["iat"]
    no_end: list[Any] = [None, True, "1", 1e9, float(now + 60), -1, 0, 2**63, 10**400]
    no_end += [[now + 60], {}, float("inf"), float("nan")]
    no_start: list[Any] = [None, True, str(now), float(now), -1, 10**12]
    no_text: list[Any] = [None, 1, "", [], "a\nb", "\ud800", "x" * 600]
    changes: list[dict[str, Any]] = [
        {"aud": [audience]},
        {"aud": [audience, "other"]},
        {"aud": audience.upper()},
        {"aud": f"{audience} "},
        {"aud": ""},
        {"aud": {audience: audience}},
        {"iss": f"{issuer}/"},
        {"iss": "https://other.example"},
        {"iss": [issuer]},
        *({"exp": odd} for odd in no_end),
        *({"iat": odd} for odd in no_start),
        {"iat": now - 700, "exp": now - 100},
        {"iat": now - 660, "exp": now - 60},
        {"iat": now + 61, "exp": now + 600},
        {"nbf": now + 61},
        {"nbf": "now"},
        {"exp": now + 601},
        {"exp": now},
        *({"sub": odd} for odd in no_text),
        {"jti": ""},
        {"sid": None},
        {"ent": {}},
        {"ent": [{"plan": "digital"}]},
        {"ent": "everything"},
    ]
    tokens = {str(change)[:60]: forger.forged(claims=change) for change in changes}
    assert await failures(paywall, tokens) == []


async def test_the_kinds_are_told_apart_by_typ(paywall: Paywall, forger: Forger) -> None:
    kinds = ["", "JWT", "jwt", "AT+JWT", "application/at+jwt", "unlock+jwt", None, 1, ["at+jwt"]]
    tokens = {str(typ): forger.forged({"typ": typ}) for typ in kinds}
    access_for_unlock = forge(forger.header(), forger.valid["unlock+jwt"], forger.key)
    assert await failures(paywall, {**tokens, "unlock as access": access_for_unlock}) == []


@pytest.fixture
def trap() -> Iterator[str]:
    """The address of a server that waits for a client to follow a token's invitation."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_header_members_that_bring_keys_or_orders_are_refused(
    paywall: Paywall, forger: Forger, trap: str
) -> None:
    own = generate("ES256")
    jwk = public_half(own).jwk()
    members: list[dict[str, Any]] = [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"jwk": jwk},
        {"jku": f"{trap}/jwks.json"},
        {"x5u": f"{trap}/certificate.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"x5t#S256": "AAAA"},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"url": trap},
    ]
    tokens = {str(member)[:50]: forger.forged(member) for member in members}
    for member in ({"jwk": jwk}, {"jku": f"{trap}/jwks.json"}, {"x5u": trap}):
        tokens[f"self-signed {member}"] = forger.forged({**member, "kid": own.kid}, key=own)
        tokens[f"self-signed {member}, our kid"] = forger.forged(member, key=own)
    kids: list[Any] = [f"{trap}/key", "../../etc/passwd", "' OR 1=1 --", "\x00", "", own.kid]
    for kid in [*kids, None, 7, {}]:
        tokens[f"kid {kid}"] = forger.forged({"kid": kid}, key=own)
    for name in ("alg", "kid"):
        header = {other: value for other, value in forger.header().items() if other != name}
        tokens[f"no {name}"] = forge(header, forger.valid["at+jwt"], forger.key)
    assert await failures(paywall, tokens) == []


async def test_no_other_algorithm_and_no_other_key(paywall: Paywall, forger: Forger) -> None:
    tokens = {}
    for alg in ("none", "None", "NONE", "", "HS256", "RS256", "PS256", "ES384", "EdDSA", "es256"):
        tokens[alg] = forger.forged({"alg": alg})
        tokens[f"{alg}, unsigned"] = tokens[alg].rpartition(".")[0] + "."
    public = forger.key.private.public_key()
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        as_json(public_half(forger.key).jwk()),
        b"",
    ]
    for number, secret in enumerate(secrets):
        header = encode_base64url(as_json({**forger.header(), "alg": "HS256"}))
        signed = f"{header}.{encode_base64url(as_json(forger.valid['at+jwt']))}"
        mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
        tokens[f"HS256 with the public key {number}"] = f"{signed}.{encode_base64url(mac)}"
    (upcoming,) = [key.kid for key in forger.ring.keys if key.kid != forger.key.kid]
    tokens["the kid of another key"] = forger.forged({"kid": upcoming})
    tokens["a stranger's signature"] = forger.forged(key=generate("ES256"))
    assert await failures(paywall, tokens) == []


async def test_duplicates_and_second_spellings_are_refused(
    paywall: Paywall, forger: Forger
) -> None:
    header, claims = as_json(forger.header()), as_json(forger.valid["at+jwt"])
    token = forger.forged()
    first, second, third = token.split(".")
    tokens: dict[str, str | bytes] = {
        "alg twice": forge(header[:-1] + b',"alg":"ES256"}', claims, forger.key),
        "kid twice": forge(b'{"kid":"other",' + header[1:], claims, forger.key),
        "exp twice": forge(header, b'{"exp":9999999999,' + claims[1:], forger.key),
        "sub twice": forge(header, claims[:-1] + b',"sub":"rdr_other"}', forger.key),
        "ent's plan twice": forge(
            header,
            claims[:-1] + b',"more":[{"plan":"a","plan":"b"}]}',
            forger.key,
        ),
        "padded": f"{token}=",
        "padded inside": f"{first}=.{second}.{third}",
        "another alphabet": f"{first}.{second}+/.{third}",
        "white space": f"{first}. {second}.{third}",
        "four parts": f"{token}.{third}",
        "two parts": f"{first}.{second}",
        "JSON serialisation": json.dumps(
            {"protected": first, "payload": second, "signature": third}
        ),
        "UTF-16": forge(header.decode().encode("utf-16"), claims, forger.key),
        "bad UTF-8": forge(header, claims[:-1] + b',"a":"\xff"}', forger.key),
        "BOM": forge(b"\xef\xbb\xbf" + header, claims, forger.key),
        "beyond ASCII": f"{token}é".encode(),
        "bytes": b"\xff\xfe\xfd",
    }
    for part in range(3):
        for spaces in range(3):  # one of three lengths leaves unused bits
            padded = forge(header + b" " * spaces, claims + b" " * spaces, forger.key)
            parts = padded.split(".")
            if len(parts[part]) % 4:
                last = ALPHABET[ALPHABET.index(parts[part][-1]) ^ 1]
                parts[part] = parts[part][:-1] + last
                tokens[f"unused bits of part {part}, {spaces}"] = ".".join(parts)
    signature = raw_signature(f"{first}.{second}".encode(), forger.key)
    for name, shape in {
        "longer": signature + b"\0",
        "shorter": signature[:-1],
        "zeros": bytes(64),
        "halves exchanged": signature[32:] + signature[:32],
    }.items():
        tokens[f"signature {name}"] = f"{first}.{second}.{encode_base64url(shape)}"
    assert await failures(paywall, tokens) == []


async def test_huge_and_nested_tokens_are_refused_quickly(paywall: Paywall, forger: Forger) -> None:
    header, claims = forger.header(), forger.valid["at+jwt"]
    tokens = {
        "8193 characters": "a" * 8193,
        "a megabyte": "a" * 1_000_000,
        "a megabyte of dots": "." * 1_000_000,
        "a valid one beyond the limit": forger.forged(claims={"more": "x" * 8000}),
        "a long header": forger.forged({"kid": "k" * 600}),
        "nested lists": forge(header, b"[" * 5000, forger.key),
        "nested objects": forge(header, b'{"a":' * 1000 + b"1" + b"}" * 1000, forger.key),
        "a nested claim": forge(
            header, as_json(claims)[:-1] + b',"ent":' + b"[" * 2000 + b"]" * 2000 + b"}", forger.key
        ),
        "a nested header": forge(b'{"alg":' + b"[" * 300 + b"]" * 300 + b"}", claims, forger.key),
        "thousands of digits": forge(header, b'{"exp":' + b"9" * 5000 + b"}", forger.key),
        "no object": forge(header, b'"claims"', forger.key),
        "nothing": forge(header, b"", forger.key),
        "null": forge(b"null", claims, forger.key),
    }
    assert await failures(paywall, tokens) == []


async def test_revoked_and_retired_keys_are_refused(
    paywall: Paywall, forger: Forger, settings: Settings
) -> None:
    how: dict[str, Any] = {
        "algorithm": "ES256",
        "encryption_key": derived_key(settings, "token-keys"),
    }
    clocks, ring = paywall.clocks, paywall.app.running.get(KeyRingHolder)
    clocks.travel(10 * MINUTE)
    async with paywall.database.transaction() as session:
        await rotate(session, **how, now=clocks.wall())
    await ring.refresh(paywall.database)
    forger.valid["at+jwt"].update(
        iat=int(clocks.wall().timestamp()), exp=int(clocks.wall().timestamp()) + 600
    )
    retiring = forger.forged()
    assert (await get(paywall, retiring)).status_code == 200
    clocks.travel(RETIRING_FOR)
    async with paywall.database.transaction() as session:
        assert await prune(session, now=clocks.wall()) == [forger.key.kid]
    await ring.refresh(paywall.database)
    now = int(clocks.wall().timestamp())
    forger.valid["at+jwt"].update(iat=now, exp=now + 600)
    assert await failures(paywall, {"retired": forger.forged()}) == []
    forger.key = ring.current.active
    leaked = forger.forged()
    assert (await get(paywall, leaked)).status_code == 200
    async with paywall.database.transaction() as session:
        await revoke(session, forger.key.kid, **how, now=clocks.wall())
    await ring.refresh(paywall.database)
    assert await failures(paywall, {"revoked": leaked, "anew": forger.forged()}) == []


def _cases() -> list[dict[str, Any]]:
    folder = os.environ.get("JOSE_VECTORS")
    if not folder:
        pytest.skip("JOSE_VECTORS names no folder with jws_asymmetric_http_cases.json")
    file = Path(folder) / "jws_asymmetric_http_cases.json"
    cases: list[dict[str, Any]] = json.loads(file.read_text())["cases"]
    return cases


def _trusted(jwk: dict[str, Any]) -> PublicKey:
    """The case's key; where it is none that signs here, one of ours under its kid."""
    try:
        return check_jwk(jwk)
    except KeyRefused:
        return PublicKey(jwk.get("kid", "none"), "ES256", generate("ES256").private.public_key())


async def test_no_published_case_is_a_token_of_ours(paywall: Paywall, settings: Settings) -> None:
    """Cases derived from C2SP/wycheproof (Apache-2.0), kept outside the repository."""
    own = generate("ES256")
    cases = _cases()
    found = []
    for case in cases:
        rings = Rings(KeyRing((_trusted(case["jwk"]),), own.kid, own))
        exchange(paywall.app, TokenVerifier(rings, settings.public_url, settings.publication))
        if case["jws"]:
            found += await failures(paywall, {f"{case['tcId']} {case['comment']}": case["jws"]})
        else:  # no token at all
            assert (await get(paywall, "")).status_code == 401
    assert found == []
    assert len(cases) > 300
