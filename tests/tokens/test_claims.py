import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tokens.claims import (
    LONGEST_LIFE,
    AccessClaims,
    Claims,
    InvalidClaims,
    UnlockClaims,
    parse_claims,
)
from tests.tokens.examples import AUDIENCE, ISSUER, NOW, access, unlock

LEEWAY = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
ISSUED = int(NOW.timestamp())


def parse(typ: str | None, decoded: object, leeway: timedelta = LEEWAY) -> Claims | InvalidClaims:
    return parse_claims(typ, decoded, issuer=ISSUER, audience=AUDIENCE, now=NOW, leeway=leeway)


@pytest.mark.parametrize(
    "claims", [access(), access(entitlements=()), unlock(), unlock(session_id="ses_1")]
)
def test_what_is_built_is_read_back(claims: Claims) -> None:
    through_json = json.loads(json.dumps(claims.payload()))
    assert parse(claims.typ, through_json) == claims


def test_an_unlock_token_without_a_session_has_no_sid() -> None:
    assert "sid" not in unlock(session_id=None).payload()


@pytest.mark.parametrize("life", [timedelta(0), -SECOND, LONGEST_LIFE + SECOND])
def test_no_token_is_made_for_longer_than_ten_minutes(life: timedelta) -> None:
    with pytest.raises(ValueError, match="lives up to"):
        access(life=life)


REQUIRED = [
    *[(access(), name) for name in access().payload()],
    *[(unlock(), name) for name in unlock().payload()],
]


@pytest.mark.parametrize(("claims", "name"), REQUIRED, ids=lambda value: str(value)[:12])
def test_every_claim_is_required(claims: Claims, name: str) -> None:
    decoded = claims.payload()
    del decoded[name]
    assert parse(claims.typ, decoded) == InvalidClaims(f"The claim {name} is absent.")


ODD_TEXTS: list[Any] = [None, True, 1, 1.5, [], {}, "", "a\nb", "nul\x00", "\ud800", "x" * 513]
ODD_TIMES: list[Any] = [
    None,
    True,
    False,
    "1",
    1.0,
    -1,
    10**12,
    10**30,
    [],
    float("inf"),
    float("nan"),
]


@pytest.mark.parametrize("value", ODD_TEXTS, ids=repr)
@pytest.mark.parametrize(
    ("claims", "name"),
    [
        *[(access(), name) for name in ("iss", "aud", "sub", "jti", "sid", "client_id")],
        *[(unlock(), name) for name in ("iss", "aud", "sub", "jti", "sid", "art", "rsn")],
    ],
    ids=lambda value: str(value)[:12],
)
def test_texts_are_readable_strings(claims: Claims, name: str, value: Any) -> None:
    refused = parse(claims.typ, {**claims.payload(), name: value})
    assert isinstance(refused, InvalidClaims)
    assert refused.reason.startswith(f"The claim {name} ")


@pytest.mark.parametrize("value", ODD_TIMES, ids=repr)
@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
def test_times_are_whole_seconds_in_range(name: str, value: Any) -> None:
    refused = parse("at+jwt", {**access().payload(), name: value})
    assert isinstance(refused, InvalidClaims)
    assert refused.reason == f"The claim {name} isn't a whole number of seconds in range."


ITEM = {"plan": "digital", "scope": "everything", "until": None, "grace": False}


def test_tokens_of_before_the_source_was_told_are_read() -> None:
    claims = parse("at+jwt", {**access().payload(), "ent": [ITEM]})
    assert isinstance(claims, AccessClaims)
    assert [item.source for item in claims.ent] == [""]


@pytest.mark.parametrize(
    "ent",
    [
        None,
        {},
        "everything",
        [None],
        ["everything"],
        [[]],
        [{}],
        [{**ITEM, "plan": ""}],
        [{**ITEM, "plan": 1}],
        [{**ITEM, "scope": None}],
        [{**ITEM, "until": True}],
        [{**ITEM, "until": 1.0}],
        [{**ITEM, "grace": 0}],
        [{**ITEM, "grace": None}],
        [{**ITEM, "source": None}],
        [{**ITEM, "source": "a\nb"}],
        [{name: value for name, value in ITEM.items() if name != "until"}],
        [ITEM, {}],
    ],
    ids=repr,
)
def test_entitlements_are_complete_and_typed(ent: Any) -> None:
    refused = parse("at+jwt", {**access().payload(), "ent": ent})
    assert isinstance(refused, InvalidClaims)
    assert refused.reason.startswith("The claim ent ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"aud": AUDIENCE.upper()}, "another audience"),
        ({"aud": [AUDIENCE]}, "aud isn't a readable string"),
        ({"aud": AUDIENCE + " "}, "another audience"),
        ({"iat": ISSUED, "exp": ISSUED}, "life isn't"),
        ({"iat": ISSUED, "exp": ISSUED - 1}, "life isn't"),
        ({"iat": ISSUED, "exp": ISSUED + 601}, "life isn't"),
        ({"iat": ISSUED + 61, "exp": ISSUED + 600}, "lies in the future"),
        ({"nbf": ISSUED + 61}, "lies in the future"),
        ({"iat": ISSUED - 660, "exp": ISSUED - 60}, "has expired"),
    ],
)
def test_refusals_say_why(changes: dict[str, Any], reason: str) -> None:
    refused = parse("at+jwt", {**access().payload(), **changes})
    assert isinstance(refused, InvalidClaims)
    assert reason in refused.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": ISSUED + 60, "exp": ISSUED + 600},
        {"iat": ISSUED - 659, "exp": ISSUED - 59},
        {"nbf": ISSUED + 60},
        {"scope": ""},
        {"a_claim_of_a_later_release": {"any": "thing"}},
    ],
    ids=repr,
)
def test_clocks_may_differ_by_the_leeway_and_releases_by_a_claim(changes: dict[str, Any]) -> None:
    assert isinstance(parse("at+jwt", {**access().payload(), **changes}), AccessClaims)


def test_without_leeway_the_end_is_the_end() -> None:
    ended = {**access().payload(), "iat": ISSUED - 600, "exp": ISSUED}
    assert isinstance(parse("at+jwt", ended, timedelta(0)), InvalidClaims)


@pytest.mark.parametrize("leeway", [timedelta(seconds=61), timedelta(seconds=-1)])
def test_no_more_leeway_than_a_minute(leeway: timedelta) -> None:
    with pytest.raises(ValueError, match="leeway"):
        parse("at+jwt", access().payload(), leeway)


@pytest.mark.parametrize(
    "typ", [None, "", "JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "unlock"]
)
def test_the_header_type_is_exactly_one_of_two(typ: str | None) -> None:
    assert isinstance(parse(typ, access().payload()), InvalidClaims)


def test_the_kinds_are_not_taken_for_each_other() -> None:
    assert isinstance(parse("unlock+jwt", access().payload()), InvalidClaims)
    assert isinstance(parse("at+jwt", unlock(session_id="ses_1").payload()), InvalidClaims)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["at+jwt", "unlock+jwt"]) | st.none() | st.text()


@given(typ=TYPES, decoded=JSON)
def test_any_json_is_read_or_refused(typ: str | None, decoded: Any) -> None:
    assert isinstance(parse(typ, decoded), InvalidClaims)


@given(
    claims=st.sampled_from([access(), unlock(session_id="ses_1")]),
    data=st.data(),
    value=JSON,
)
def test_any_value_of_any_claim_is_read_or_refused(
    claims: Claims, data: st.DataObject, value: Any
) -> None:
    name = data.draw(st.sampled_from(sorted(claims.payload())))
    parsed = parse(claims.typ, {**claims.payload(), name: value})
    assert isinstance(parsed, AccessClaims | UnlockClaims | InvalidClaims)
