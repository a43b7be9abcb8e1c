"""JSON Web Signature and JSON Web Key cases derived from C2SP/wycheproof (Apache-2.0), kept outside the repository.

`JOSE_VECTORS` names their folder. No case is a token of ours, so all are refused; where a case's key
is of a kind that a ring takes, its signature alone must be judged as the case says.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from service.problems import Problem
from service.tokens.key_files import read_private_key
from service.tokens.key_pairs import KeyRefused, PublicKey, check_jwk, generate
from service.tokens.ring import KeyRing
from service.tokens.signing import open_signed, verify
from tests.tokens.examples import AUDIENCE, ISSUER, NOW

SIGNATURES = "jws_asymmetric_http_cases.json"
KEYS = "jwk_import_cases.json"


def _cases(file: str) -> dict[str, Any]:
    folder = os.environ.get("JOSE_VECTORS")
    if not folder:
        return {}
    cases = json.loads((Path(folder) / file).read_text())["cases"]
    return {f"{case['tcId']}-{case['comment']}": case for case in cases}


SIGNED, IMPORTED = _cases(SIGNATURES), _cases(KEYS)
pytestmark = pytest.mark.skipif(
    not SIGNED, reason=f"JOSE_VECTORS names no folder with {SIGNATURES}"
)


def _trusted(case: dict[str, Any]) -> PublicKey | None:
    """The case's key, if one that a ring takes."""
    try:
        return check_jwk(case["jwk"])
    except KeyRefused:
        return None


def _ring(case: dict[str, Any]) -> KeyRing:
    """A ring whose only key has the case's kid, so that no case is refused for an unknown kid."""
    own = generate("ES256")
    kid = case["jwk"].get("kid", "none")
    key = _trusted(case) or PublicKey(kid, "ES256", own.private.public_key())
    return KeyRing((key,), own.kid, own)


def _refused(case: dict[str, Any]) -> bool:
    """As a token of ours, at once."""
    ring = _ring(case)
    started = time.process_time()
    try:
        verify(case["jws"], ring, issuer=ISSUER, audience=AUDIENCE, now=NOW)
    except Problem as problem:
        return problem.type.status == 401 and time.process_time() - started < 0.1
    return False


def test_no_case_is_a_token_of_ours() -> None:
    assert [name for name, case in SIGNED.items() if not _refused(case)] == []


def _content(case: dict[str, Any]) -> bytes | None:
    """What was signed; None: it is refused."""
    try:
        return open_signed(case["jws"], _ring(case)).content
    except Problem:
        return None


def test_the_signature_is_judged_as_the_case_says() -> None:
    valid = {name for name, case in SIGNED.items() if case["result"] == "valid" and _trusted(case)}
    taken = {
        name: content for name, case in SIGNED.items() if (content := _content(case)) is not None
    }
    assert taken == dict.fromkeys(valid, b"foo")


@pytest.mark.parametrize("case", IMPORTED.values(), ids=IMPORTED)
def test_no_unfit_key_is_taken(case: dict[str, Any]) -> None:
    """Valid cases are RSA and symmetric keys throughout, which sign no token here either."""
    with pytest.raises(KeyRefused):
        read_private_key(json.dumps(case["private"]).encode())
    keys = (case["public"] or case["private"])["keys"]
    with pytest.raises(KeyRefused):
        _ = [check_jwk({name: key[name] for name in key if name != "d"}) for key in keys]


SOUND = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}


@pytest.mark.parametrize("case", IMPORTED.values(), ids=IMPORTED)
def test_a_key_is_refused_for_what_the_case_changed_in_it_alone(case: dict[str, Any]) -> None:
    (*_, key) = case["private"]["keys"]
    if not {"x", "d"} <= key.keys():
        return  # no elliptic curve key, or a public one
    key = {**key, **SOUND, "y": "UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw"}
    assert read_private_key(json.dumps({"keys": [key]}).encode()).algorithm == "ES256"
