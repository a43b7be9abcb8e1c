"""Requests that other people's clients have signed: taken, and refused where anything covered was altered.

signed_elsewhere.json was made with the npm packages web-bot-auth 0.1.3 and http-message-signatures 1.0.6, and with the
published test key of RFC 9421, B.1.4. Given a member of Signature-Agent to cover, web-bot-auth 0.1.3 signs the whole
header, which no verifier takes: that one is missing here.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.crawlers.signatures import SignedRequest
from service.crawlers.signed_requests import signer

SIGNED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("signed_elsewhere.json").read_text()
)
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
NOW = datetime(2026, 3, 10, 9, 1, tzinfo=UTC)


def request_of(document: Mapping[str, Any]) -> SignedRequest:
    url = urlsplit(document["url"])
    headers = {name.lower(): value for name, value in document["headers"].items()}
    return SignedRequest(document["method"], url.netloc, url.path, url.query, headers, url.scheme)


def owner_of(request: SignedRequest, at: datetime = NOW) -> str | None:
    return signer(request, [("goodbot", KEY)], at)


def with_headers(request: SignedRequest, change: Callable[[str], str]) -> SignedRequest:
    return replace(
        request, headers={name: change(value) for name, value in request.headers.items()}
    )


@pytest.mark.parametrize("document", SIGNED.values(), ids=SIGNED)
def test_what_another_client_has_signed_is_taken_as_it_is_alone(document: dict[str, Any]) -> None:
    request = request_of(document)
    assert owner_of(request) == "goodbot"
    covered = request.headers["signature-input"].partition(")")[0]
    altered = {
        "another host": replace(request, authority="evil.example"),
        "another end": with_headers(request, lambda text: text.replace("1773133500", "1773133501")),
        "another signature": with_headers(request, lambda text: re.sub("=:.", "=:+", text)),
        "another agent": with_headers(request, lambda text: text.replace("bot.example", "x.example")),
        "an agent that isn't covered": replace(
            request, headers={"signature-agent": '"https://x.example"', **request.headers}
        ),
        "another method": replace(request, method="PUT"),
        "another path": replace(request, path="/articles/b"),
        "another query": replace(request, query="x=2"),
        "another scheme": replace(request, scheme="http"),
    }  # fmt: skip
    free = {
        "another agent": "signature-agent" not in request.headers,
        "an agent that isn't covered": "signature-agent" in request.headers,
        "another method": '"@method"' not in covered,
        "another path": not ('"@path"' in covered or '"@target-uri"' in covered),
        "another query": not ('"@query"' in covered or '"@target-uri"' in covered),
        "another scheme": '"@target-uri"' not in covered,
    }
    for what, each in altered.items():
        assert owner_of(each) == ("goodbot" if free.get(what) else None), what
    assert owner_of(request, NOW + timedelta(minutes=10)) is None
    assert signer(request, [("other", {**KEY, "x": KEY["x"][::-1]})], NOW) is None
