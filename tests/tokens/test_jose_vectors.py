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


def _cases(file: str) -> list[Any]:
    folder = os.environ.get("JOSE_VECTORS")
    if not folder:
        reason = f"JOSE_VECTORS names no folder with {file}"
        return [pytest.param({}, marks=pytest.mark.skip(reason=reason))]
    cases = json.loads((Path(folder) / file).read_text())["cases"]
    return [pytest.param(case, id=f"{case['tcId']}-{case['comment']}") for case in cases]


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


@pytest.mark.parametrize("case", _cases(SIGNATURES))
def test_no_case_is_a_token_of_ours(case: dict[str, Any]) -> None:
    ring = _ring(case)
    started = time.process_time()
    with pytest.raises(Problem) as caught:
        verify(case["jws"], ring, issuer=ISSUER, audience=AUDIENCE, now=NOW)
    assert time.process_time() - started < 0.1
    assert caught.value.type.status == 401


@pytest.mark.parametrize("case", _cases(SIGNATURES))
def test_the_signature_is_judged_as_the_case_says(case: dict[str, Any]) -> None:
    ring = _ring(case)
    if case["result"] == "valid" and _trusted(case) is not None:
        assert open_signed(case["jws"], ring).content == b"foo"
        return
    with pytest.raises(Problem):
        open_signed(case["jws"], ring)


@pytest.mark.parametrize("case", _cases(KEYS))
def test_no_unfit_key_is_taken(case: dict[str, Any]) -> None:
    """Valid cases are RSA and symmetric keys throughout, which sign no token here either."""
    with pytest.raises(KeyRefused):
        read_private_key(json.dumps(case["private"]).encode())
    keys = (case["public"] or case["private"])["keys"]
    with pytest.raises(KeyRefused):
        _ = [check_jwk({name: key[name] for name in key if name != "d"}) for key in keys]


SOUND = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}


@pytest.mark.parametrize("case", _cases(KEYS))
def test_a_key_is_refused_for_what_the_case_changed_in_it_alone(case: dict[str, Any]) -> None:
    (*_, key) = case["private"]["keys"]
    if not {"x", "d"} <= key.keys():
        return  # no elliptic curve key, or a public one
    key = {**key, **SOUND, "y": "UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw"}
    assert read_private_key(json.dumps({"keys": [key]}).encode()).algorithm == "ES256"
