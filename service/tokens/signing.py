"""Signing tokens and checking them: the only module that imports PyJWT.

PyJWT verifies the signature. What it would let pass is refused here before it sees the token:
foreign header members, duplicated members, other spellings of base64, a second algorithm for a key
(RFC 8725). Nothing is ever fetched: keys come from the ring alone.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import HTTPConnection

from service.problems import Problem
from service.tokens.claims import LONGEST_LEEWAY, Claims, InvalidClaims, parse_claims
from service.tokens.key_pairs import PrivateKey, PublicKey, decode_base64url, encode_base64url
from service.tokens.ring import KeyRing

if TYPE_CHECKING:
    from jwt import PyJWS

LONGEST_TOKEN = 8192
LONGEST_HEADER = 512
LEEWAY = LONGEST_LEEWAY

_THREE_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})


@dataclass(frozen=True)
class SignedContent:
    """What one of our keys has signed: the content's bytes, not yet read as claims."""

    kid: str
    typ: str | None
    content: bytes


@cache
def jws() -> "PyJWS":
    """PyJWT's signatures. Imported after a start (background.py), or by the first token: it reads X.509, too."""
    from jwt import PyJWS  # noqa: PLC0415 see above

    return PyJWS(algorithms=["ES256", "EdDSA"])


def sign(claims: Claims, key: PrivateKey) -> str:
    """The token: compact JWS with exactly `alg`, `kid` and `typ` in its header."""
    content = json.dumps(claims.payload(), separators=(",", ":")).encode("ascii")
    signed = f"{_header_of(key.algorithm, key.kid, claims.typ)}.{encode_base64url(content)}"
    # PyJWT's `encode` makes the same header anew for each token, which takes as long as its signature.
    signature = jws().get_algorithm_by_name(key.algorithm).sign(signed.encode("ascii"), key.private)
    return f"{signed}.{encode_base64url(signature)}"


@lru_cache(maxsize=64)
def _header_of(algorithm: str, kid: str, typ: str) -> str:
    header = {"alg": algorithm, "kid": kid, "typ": typ}
    return encode_base64url(json.dumps(header, separators=(",", ":")).encode("ascii"))


def verify(
    token: str | bytes, ring: KeyRing, *, issuer: str, audience: str, now: datetime
) -> Claims:
    """The claims of a valid token; Problem `invalid-token` for anything else, never another error.

    `now` is wall time. The claims' dataclass tells the kind of token.
    """
    return read_claims(open_signed(token, ring), issuer=issuer, audience=audience, now=now)


def read_claims(signed: SignedContent, *, issuer: str, audience: str, now: datetime) -> Claims:
    """The acceptable claims of signed content; Problem `invalid-token` otherwise."""
    claims = parse_claims(
        signed.typ,
        _strict_json(signed.content, "content"),
        issuer=issuer,
        audience=audience,
        now=now,
        leeway=LEEWAY,
    )
    if isinstance(claims, InvalidClaims):
        raise invalid_token(claims.reason)
    return claims


def open_signed(token: str | bytes, ring: KeyRing) -> SignedContent:
    """The content that a key of the ring has signed; Problem `invalid-token` otherwise.

    The content is only authentic here: `verify` also reads it and checks the claims.
    """
    text = token_text(token)
    parts = _THREE_PARTS.fullmatch(text)
    if parts is None:
        raise invalid_token("The token isn't three parts of unpadded base64url with dots between.")
    header = _header(parts[1])
    key = _key_for(header, ring)
    _decoded(parts[2], "content")
    _decoded(parts[3], "signature")
    from jwt import PyJWTError  # noqa: PLC0415 as in `jws`

    try:
        content = jws().decode(text, key.public, algorithms=[key.algorithm])
    except PyJWTError as error:
        raise invalid_token("The token's signature doesn't match.") from error
    return SignedContent(key.kid, header.get("typ"), content)


def token_text(token: str | bytes) -> str:
    """The token as ASCII text of bounded length; Problem `invalid-token` otherwise."""
    if len(token) > LONGEST_TOKEN:
        raise invalid_token(f"The token is longer than {LONGEST_TOKEN} characters.")
    try:
        return token.decode("ascii") if isinstance(token, bytes) else _ascii(token)
    except UnicodeError as error:
        raise invalid_token("The token has characters that no token has.") from error


def invalid_token(reason: str) -> Problem:
    """The refusal of a bearer token (RFC 6750, section 3)."""
    return Problem(
        "invalid-token", reason, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )


def _ascii(token: str) -> str:
    token.encode("ascii")
    return token


def _header(segment: str) -> dict[str, str]:
    # Read before any signature is checked, hence the short limit.
    if len(segment) > LONGEST_HEADER:
        raise invalid_token(f"The token's header is longer than {LONGEST_HEADER} characters.")
    header = _strict_json(_decoded(segment, "header"), "header")
    if not isinstance(header, dict) or not all(isinstance(item, str) for item in header.values()):
        raise invalid_token("The token's header isn't a JSON object of strings.")
    if not header.keys() <= _HEADER_MEMBERS or not header.keys() >= {"alg", "kid"}:
        raise invalid_token("The token's header has other members than alg, kid and typ.")
    return header


def _key_for(header: dict[str, str], ring: KeyRing) -> PublicKey:
    key = ring.find(header["kid"])
    if key is None:
        raise invalid_token("The token's key isn't one of ours, or was revoked. Fetch a new token.")
    if header["alg"] != key.algorithm:
        raise invalid_token("The token's algorithm isn't the one of its key.")
    return key


def _decoded(segment: str, part: str) -> bytes:
    try:
        return decode_base64url(segment)
    except ValueError as error:
        raise invalid_token(f"The token's {part} isn't canonical base64url.") from error


def _strict_json(raw: bytes, part: str) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_json_number,
        )
    except (ValueError, RecursionError) as error:
        # ValueError includes bad UTF-8, duplicates and numbers with thousands of digits.
        raise invalid_token(f"The token's {part} isn't well-formed JSON.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _no_json_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token of `Authorization: Bearer …`, with one blank (RFC 6750, 2.1); None where there is no such
    header, or one of another scheme, such as a proxy's before the site.

    Two headers, or a header of this scheme in another form, are the problem `invalid-token`.
    """
    given = connection.headers.getlist("Authorization")
    if not given:
        return None
    if len(given) > 1:
        raise invalid_token("Send one Authorization header.")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    if not _BEARER.fullmatch(token):
        raise invalid_token("Send the token as `Authorization: Bearer …`, with one blank.")
    return token
