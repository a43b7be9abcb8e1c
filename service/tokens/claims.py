"""What the two kinds of token say, and the strict reading of what a token claims to say.

Pure: plain values in, frozen dataclasses or `InvalidClaims` out. Rules: RFC 7519 (JWT), RFC 9068 (access
tokens), RFC 8725 (best practice), and the claims tables of docs/tokens.md. Times in tokens are whole
seconds since 1970 (NumericDate).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

LONGEST_LIFE = timedelta(minutes=10)
LONGEST_LEEWAY = timedelta(seconds=60)
ACCOUNT = "account"
"""The `scope` of an access token for account calls: it carries no grants, and opens no article."""
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999: what a datetime can hold."""
LONGEST_TEXT = 512


@dataclass(frozen=True)
class Entitlement:
    """One live grant as a token carries it.

    `scope` says what it opens; `plan` is None for a grant that belongs to no plan; `until` is in
    seconds since 1970, None for a grant without an end; `grace` tells that a payment is overdue;
    `source` is where it comes from, empty in tokens of before it was told.
    """

    plan: str | None
    scope: str
    until: int | None
    grace: bool
    source: str = ""


@dataclass(frozen=True)
class AccessClaims:
    """Who the reader is and what the live grants open. Header `typ` is `at+jwt`."""

    typ: ClassVar[str] = "at+jwt"

    iss: str
    aud: str
    sub: str
    iat: int
    exp: int
    jti: str
    sid: str
    client_id: str
    scope: str
    ent: tuple[Entitlement, ...]

    def payload(self) -> dict[str, Any]:
        """The members of the token's JSON."""
        return {
            **_registered(self),
            "sid": self.sid,
            "client_id": self.client_id,
            "scope": self.scope,
            "ent": [
                {
                    "plan": item.plan,
                    "scope": item.scope,
                    "until": item.until,
                    "grace": item.grace,
                    "source": item.source,
                }
                for item in self.ent
            ],
        }


@dataclass(frozen=True)
class UnlockClaims:
    """One article is open to this holder. Header `typ` is `unlock+jwt`.

    `art` is the article's slug, `rsn` the decision's reason, `sid` the session where signed in.
    """

    typ: ClassVar[str] = "unlock+jwt"

    iss: str
    aud: str
    sub: str
    iat: int
    exp: int
    jti: str
    art: str
    rsn: str
    sid: str | None

    def payload(self) -> dict[str, Any]:
        """The members of the token's JSON; `sid` is left out where nobody is signed in."""
        members = {**_registered(self), "art": self.art, "rsn": self.rsn}
        return members if self.sid is None else {**members, "sid": self.sid}


Claims = AccessClaims | UnlockClaims


@dataclass(frozen=True)
class InvalidClaims:
    """The claims aren't acceptable; `reason` is a sentence for the caller."""

    reason: str


def _registered(claims: Claims) -> dict[str, Any]:
    return {
        "iss": claims.iss,
        "aud": claims.aud,
        "sub": claims.sub,
        "iat": claims.iat,
        "exp": claims.exp,
        "jti": claims.jti,
    }


def _span(now: datetime, life: timedelta) -> tuple[int, int]:
    if not timedelta(0) < life <= LONGEST_LIFE:
        raise ValueError(f"a token lives up to {LONGEST_LIFE}, not {life}")
    issued = int(now.timestamp())
    return issued, issued + int(life.total_seconds())


def access_claims(
    *,
    issuer: str,
    audience: str,
    reader_id: str,
    session_id: str,
    client_id: str,
    scope: str,
    entitlements: tuple[Entitlement, ...],
    token_id: str,
    now: datetime,
    life: timedelta,
) -> AccessClaims:
    """Claims of a new access token.

    `now` is wall time; `life` is at most ten minutes (ValueError beyond); `token_id` is new for
    each token.
    """
    issued, expires = _span(now, life)
    return AccessClaims(
        iss=issuer,
        aud=audience,
        sub=reader_id,
        iat=issued,
        exp=expires,
        jti=token_id,
        sid=session_id,
        client_id=client_id,
        scope=scope,
        ent=entitlements,
    )


def unlock_claims(
    *,
    issuer: str,
    audience: str,
    holder_id: str,
    article: str,
    reason: str,
    session_id: str | None,
    token_id: str,
    now: datetime,
    life: timedelta,
) -> UnlockClaims:
    """Claims of a new unlock token for the article with the slug `article`.

    `holder_id` is the reader's or, without a sign-in, the device's; the rest as in `access_claims`.
    """
    issued, expires = _span(now, life)
    return UnlockClaims(
        iss=issuer,
        aud=audience,
        sub=holder_id,
        iat=issued,
        exp=expires,
        jti=token_id,
        art=article,
        rsn=reason,
        sid=session_id,
    )


class _Unfit(Exception):
    """A member is absent or wrong; its text is the reason of the refusal."""


_Value = TypeVar("_Value")


def _member(mapping: Mapping[str, Any], name: str, read: Callable[[Any], _Value]) -> _Value:
    if name not in mapping:
        raise _Unfit(f"The claim {name} is absent.")
    try:
        return read(mapping[name])
    except _Unfit as error:
        raise _Unfit(f"The claim {name} {error}.") from error


def _text(value: Any) -> str:
    # isprintable() is false for control characters and for lone surrogates, which no database and
    # no UTF-8 answer could take.
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise _Unfit("isn't a readable string")
    return value


def _name(value: Any) -> str:
    if value == "":
        raise _Unfit("is empty")
    return _text(value)


def _time(value: Any) -> int:
    # bool is an int in Python; 1e9 and 1.0 are numbers in JSON but no whole seconds here.
    if type(value) is not int or not 0 <= value <= LATEST_TIME:
        raise _Unfit("isn't a whole number of seconds in range")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("isn't true or false")
    return value


def _entitlement(value: Any) -> Entitlement:
    if not isinstance(value, dict):
        raise _Unfit("has an item that is no object")
    return Entitlement(
        plan=_member(value, "plan", lambda plan: None if plan is None else _name(plan)),
        scope=_member(value, "scope", _name),
        until=_member(value, "until", lambda until: None if until is None else _time(until)),
        grace=_member(value, "grace", _flag),
        source=_member({"source": "", **value}, "source", _text),
    )


def _entitlements(value: Any) -> tuple[Entitlement, ...]:
    if not isinstance(value, list):
        raise _Unfit("isn't a list")
    return tuple(_entitlement(item) for item in value)


def _access(mapping: Mapping[str, Any]) -> AccessClaims:
    return AccessClaims(
        **_read_registered(mapping),
        sid=_member(mapping, "sid", _name),
        client_id=_member(mapping, "client_id", _name),
        scope=_member(mapping, "scope", _text),
        ent=_member(mapping, "ent", _entitlements),
    )


def _unlock(mapping: Mapping[str, Any]) -> UnlockClaims:
    return UnlockClaims(
        **_read_registered(mapping),
        art=_member(mapping, "art", _name),
        rsn=_member(mapping, "rsn", _name),
        sid=_member(mapping, "sid", _name) if "sid" in mapping else None,
    )


def _read_registered(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "iss": _member(mapping, "iss", _name),
        "aud": _member(mapping, "aud", _name),
        "sub": _member(mapping, "sub", _name),
        "iat": _member(mapping, "iat", _time),
        "exp": _member(mapping, "exp", _time),
        "jti": _member(mapping, "jti", _name),
    }


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Claims]] = {
    AccessClaims.typ: _access,
    UnlockClaims.typ: _unlock,
}


def parse_claims(
    typ: str | None,
    decoded: object,
    *,
    issuer: str,
    audience: str,
    now: datetime,
    leeway: timedelta,
) -> Claims | InvalidClaims:
    """Claims from a token's decoded JSON, or why they are refused.

    `typ` from the header decides the kind. Members beyond the tables are ignored, so that a newer
    release can add one while an older still runs; `nbf`, which we never issue, is honoured.
    `leeway` allows for clocks that differ, at most 60 s (ValueError beyond). No other exception.
    """
    if not timedelta(0) <= leeway <= LONGEST_LEEWAY:
        raise ValueError(f"the leeway is at most {LONGEST_LEEWAY}, not {leeway}")
    read = _KINDS.get(typ or "")
    if read is None:
        return InvalidClaims("The header's typ is neither at+jwt nor unlock+jwt.")
    if not isinstance(decoded, dict):
        return InvalidClaims("The token's content isn't a JSON object.")
    try:
        claims = read(decoded)
        earliest = _member(decoded, "nbf", _time) if "nbf" in decoded else 0
    except _Unfit as error:
        return InvalidClaims(str(error))
    if claims.iss != issuer:
        return InvalidClaims("The token comes from another issuer.")
    if claims.aud != audience:
        return InvalidClaims("The token is meant for another audience.")
    return _out_of_time(claims, max(claims.iat, earliest), now, leeway) or claims


def _out_of_time(
    claims: Claims, valid_from: int, now: datetime, leeway: timedelta
) -> InvalidClaims | None:
    life = claims.exp - claims.iat
    if not 0 < life <= LONGEST_LIFE.total_seconds():
        return InvalidClaims("The token's life isn't between nothing and ten minutes.")
    if valid_from > now.timestamp() + leeway.total_seconds():
        return InvalidClaims("The token lies in the future.")
    if has_expired(claims, now, leeway):
        return InvalidClaims("The token has expired; fetch a new one.")
    return None


def has_expired(claims: Claims, now: datetime, leeway: timedelta) -> bool:
    """Whether `claims` have ended at `now`, `leeway` allowed for."""
    return now.timestamp() >= claims.exp + leeway.total_seconds()
