"""robots.txt, the terms for machines, address lists, and signatures: plain values in and out."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from service.crawlers.address_lists import read_addresses
from service.crawlers.known import KNOWN, Crawler, with_stored
from service.crawlers.robots import robots_text
from service.crawlers.rsl import rsl_document
from service.crawlers.schemas import CrawlerIn
from service.crawlers.signatures import SignedRequest, checked_key, thumbprint
from service.crawlers.signed_requests import signer
from service.operators.crawlers.outcomes import outcome
from service.rules.crawler_document import CrawlersIn
from service.rules.crawlers import CrawlerPolicy, CrawlerRules, License
from tests.crawlers.signing import public_key, signed

SITE = "https://www.example.org"
NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
KEYS = (("goodbot", public_key(PRIVATE)),)


def test_robots_txt_closes_what_is_no_crawlers_and_refuses_by_category() -> None:
    plain = robots_text(SITE, CrawlerRules(), KNOWN)
    assert "License:" not in plain
    assert plain.count("User-agent:") == 1
    assert "Disallow: /admin" in plain
    assert plain.endswith(f"\n\nSitemap: {SITE}/sitemap.xml\n")
    strict = CrawlerRules(training="refuse", license=License(prohibits=("ai-train",)))
    lines = robots_text(SITE, strict, KNOWN).splitlines()
    group = lines[1 : lines.index("Disallow: /")]
    assert {"User-agent: GPTBot", "User-agent: CCBot"} <= set(group)
    assert "User-agent: Googlebot" not in lines
    assert f"License: {SITE}/license.xml" in lines


def test_names_that_never_come_are_refused_where_training_needs_a_licence() -> None:
    renamed = Crawler("ours", "training", ("Google-Extended",))
    licensed = CrawlerRules(training="license", license=License(), licensed_sections=frozenset("a"))
    lines = robots_text(SITE, licensed, (*KNOWN, renamed)).splitlines()
    group = lines[1 : lines.index("Disallow: /")]
    assert group == ["User-agent: Applebot-Extended", "User-agent: Google-Extended"]
    assert "Disallow: /" not in robots_text(SITE, CrawlerRules(), KNOWN).splitlines()


@pytest.mark.parametrize(
    ("crawler", "policy", "words"),
    [
        (Crawler("a", "training", ("A",)), "license", "Can't be verified: gets the preview"),
        (Crawler("a", "training", ("A",)), "refuse", "Can't be verified: excluded in robots.txt"),
        (Crawler("a", "training", ("A",)), "preview", "Preview"),
        (Crawler("a", "training", ("A",), networks=("192.0.2.0/27",)), "license", "Licence terms"),
        (Crawler("a", "training", ("A",), hosts=("a.example",)), "refuse", "No access (403"),
        (Crawler("a", "training", ("Google-Extended",)), "license", "No access, through robots.txt only"),
        (Crawler("a", "training", ("Google-Extended",)), "preview", "Allowed, through robots.txt only"),
    ],
)  # fmt: skip
def test_the_page_says_what_a_crawler_gets(
    crawler: Crawler, policy: CrawlerPolicy, words: str
) -> None:
    assert outcome(crawler, CrawlerRules(training=policy)).startswith(words)


def test_what_the_newsroom_stores_replaces_what_is_known() -> None:
    mine = Crawler("googlebot", "training", ("Googlebot",))
    found = {each.name: each for each in with_stored({"googlebot": mine})}
    assert found["googlebot"] == mine
    assert len(found) == len(KNOWN)


def test_the_terms_are_a_document_of_the_standard() -> None:
    terms = License(
        ("search",), ("ai-train", "ai-input"), "crawl", "0.015", "EUR", f"{SITE}/ask?a=1&b=2", "",
        "rights@example.org",
    )  # fmt: skip
    root = etree.fromstring(rsl_document(terms).encode())
    space = "{https://rslstandard.org/rsl}"
    assert root.tag == f"{space}rsl"
    (license_,) = root.findall(f"{space}content[@url='/']/{space}license")
    said = {etree.QName(each).localname: (dict(each.attrib), each.text) for each in license_.iter()}
    assert said["permits"] == ({"type": "usage"}, "search")
    assert said["prohibits"] == ({"type": "usage"}, "ai-train ai-input")
    assert said["amount"] == ({"currency": "EUR"}, "0.015")
    assert said["custom"][1] == f"{SITE}/ask?a=1&b=2"
    assert said["legal"] == ({"type": "contact"}, "mailto:rights@example.org")
    assert '<payment type="free"/>' in rsl_document(License())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"training": "license"}, "set license"),
        ({"license": {"permits": ["search"], "prohibits": ["search"]}}, "choose one"),
        ({"license": {"amount": "1"}}, "go together"),
        ({"license": {"amount": "0,5", "currency": "EUR"}}, "pattern"),
        ({"license": {"custom": "javascript:alert(1)"}}, "pattern"),
        ({"agent": "full_verified"}, "'preview' or 'refuse'"),
        ({"license": {"permits": ["reading"]}}, "ai-train"),
    ],
)
def test_rules_that_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CrawlersIn.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv6Prefix": "2001:db8::/64"}]}',
         ("192.0.2.0/27", "2001:db8::/64")),
        ('["192.0.2.1", "192.0.2.1"]', ("192.0.2.1/32",)),
        ("203.0.0.0/16\n2001:db8::/32", ("203.0.0.0/16", "2001:db8::/32")),
        ("192.0.2.0/27\n198.51.100.7\n", ("192.0.2.0/27", "198.51.100.7/32")),
    ],
)  # fmt: skip
def test_address_lists_that_are_read(text: str, found: tuple[str, ...]) -> None:
    assert read_addresses(text) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no network in"), ("{}", 'no "prefixes"'), ('{"prefixes": [{"other": 1}]}', "has no network"),
        ("{", "isn't JSON"), ("0.0.0.0/0", "too wide"), ("::/0", "too wide"), ("abc", "is no network"),
        ("192.0.2.1/24", "The network is 192.0.2.0/24"), ("16.0.0.0/8", "too wide: .* is /16 or narrower. Load"),
        ("10.1.0.0/16", "isn't a public network"), ("fd00::/48", "isn't a public network"),
        ("127.0.0.1", "isn't a public network"), ("::ffff:192.0.2.0/120", "Write 192.0.2.0/24"),
        ('{"prefixes": [{"ipv4Prefix": "192.168.7.0/24"}]}', "isn't a public network"),
        ("16.0.0.0/15", "too wide"), ("2001:d00::/24", "is /32 or narrower"),
        ('["\\ud800"]', "surrogate"), ('[{"\\udfff": 1}]', "surrogate"),
    ],
)  # fmt: skip
def test_address_lists_that_are_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_addresses(text)


@pytest.mark.parametrize("levels", [21, 900, 5_000])
def test_json_that_is_nested_too_deeply_is_refused(levels: int) -> None:
    for text in ("[" * levels + "]" * levels, '[{"a":' * levels + "1" + "}]" * levels):
        with pytest.raises(ValueError, match="can be read: it is nested too deeply"):
            read_addresses(text)


def test_a_network_of_a_crawler_is_no_list() -> None:
    two = '["192.0.2.0/27","198.51.100.0/27"]'
    with pytest.raises(ValueError, match="is no network"):
        CrawlerIn.model_validate({"category": "search", "agents": ["Bot"], "networks": [two]})


def test_a_signature_by_a_known_key_names_its_owner() -> None:
    assert signer(signed(PRIVATE, now=NOW), KEYS, NOW) == "goodbot"
    plain = signed(PRIVATE, now=NOW, agent='"https://bot.example"', member="")
    assert signer(plain, KEYS, NOW) == "goodbot", "the older form of Signature-Agent"
    more = signed(PRIVATE, now=NOW, more=("@method", "@path", "@query"))
    assert signer(more, KEYS, NOW) == "goodbot"
    escaped = signed(PRIVATE, now=NOW, path="/articles/%C3%A4", more=("@path",))
    assert signer(escaped, KEYS, NOW) == "goodbot"
    assert signer(signed(OTHER, now=NOW), KEYS, NOW) is None


def _with(request: SignedRequest, **headers: str) -> SignedRequest:
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **changed})


def test_what_proves_nothing() -> None:
    good, another = signed(PRIVATE, now=NOW), signed(OTHER, now=NOW)
    inputs = good.headers["signature-input"]
    refused: Mapping[str, SignedRequest] = {
        "unsigned": replace(good, headers={}),
        "a host that isn't ours": replace(signed(PRIVATE, now=NOW, authority=""), authority=""),
        "another host": replace(good, authority="evil.example"),
        "another agent": _with(good, signature_agent='sig1="https://evil.example"'),
        "no agent": replace(
            good, headers={k: v for k, v in good.headers.items() if k != "signature-agent"}
        ),
        "another tag": signed(PRIVATE, now=NOW, tag="web-bot"),
        "nothing covered": signed(PRIVATE, now=NOW, covered=("@method",)),
        "another path": replace(signed(PRIVATE, now=NOW, more=("@path",)), path="/other"),
        "too old": signed(PRIVATE, now=NOW - timedelta(minutes=10)),
        "not yet": signed(PRIVATE, now=NOW + timedelta(minutes=10)),
        "for too long": signed(PRIVATE, now=NOW, life=timedelta(days=1)),
        "without an end": _with(good, signature_input=inputs.replace("expires", "expired")),
        "another algorithm": _with(good, signature_input=f'{inputs};alg="hmac-sha256"'),
        "said once more, otherwise": _with(good, signature_input=f'{inputs};tag="web-bot"'),
        "covered twice": signed(PRIVATE, now=NOW, more=("@authority",)),
        "a scheme, which a proxy changes": signed(PRIVATE, now=NOW, more=("@scheme",)),
        "beside one of an unknown key": _with(
            good,
            signature_input=f"{inputs}, {another.headers['signature-input'].replace('sig1', 'b', 1)}",
            signature=f"{good.headers['signature']}, {another.headers['signature'].replace('sig1', 'b', 1)}",
        ),
        "nothing signed": _with(good, signature="sig1=::"),
        "another's signature": _with(
            good, signature=f"sig1=:{base64.b64encode(b'x' * 64).decode()}:"
        ),
        "no dictionary": _with(good, signature_input="sig1", signature="sig1"),
        "too long": _with(good, signature_input=inputs + " " * 5_000),
        "no Base64": _with(good, signature="sig1=:A:"),
        "unreadable": _with(good, signature_input=inputs.replace("created=", "created=x")),
    }
    for what, request in refused.items():
        assert signer(request, KEYS, NOW) is None, what


_PIECES = ("sig1=", "sig1", ":", "=", "AAAA", "A", "(", ")", '"', "\\", ";", ",", " ", "é", "\x00",
    '"@authority"', '"signature-agent"', ';key="sig1"', ";created=1", ';created="', ";expires=9",
    ';tag="web-bot-auth"', f';keyid="{thumbprint(public_key(PRIVATE))}"')  # fmt: skip
_MALFORMED = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@given(_MALFORMED, _MALFORMED, _MALFORMED)
def test_a_malformed_header_proves_nothing_and_breaks_nothing(
    inputs: str, signature: str, agent: str
) -> None:
    good = signed(PRIVATE, now=NOW)
    for changed in (
        _with(good, signature_input=inputs, signature=signature),
        _with(good, signature=f"sig1=:{signature}:"),
        _with(good, signature_input=good.headers["signature-input"] + inputs),
        _with(good, signature_agent=agent),
    ):
        if changed.headers != good.headers:
            assert signer(changed, KEYS, NOW) in {None, "goodbot"}


@pytest.mark.parametrize(
    ("changes", "told"), [({"kty": "EC"}, "no Ed25519"), ({"x": "AA"}, "32 bytes"), ({"d": "AA"}, "private")]
)  # fmt: skip
def test_keys_that_are_refused(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        checked_key(public_key(PRIVATE) | changes)


def test_a_key_is_named_by_its_thumbprint() -> None:
    # The example of RFC 8037, A.3.
    key = json.loads(
        '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    )
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
