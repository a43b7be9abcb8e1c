"""Web Bot Auth: a crawler signs its request, and a key that the newsroom knows verifies it. Pure.

What is read is the profile of draft-ietf-webbotauth-httpsig-protocol on HTTP Message Signatures (RFC 9421):
Ed25519, the tag `web-bot-auth`, the covered components `@authority` and `signature-agent` (and others that any
request has), `created` and `expires`. Whatever else is sent proves nothing.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_TAG = "web-bot-auth"
_LONGEST = 2_000
"""Characters. The expressions below have bounds too: text that matches nowhere is given up soon."""
_LONGEST_LIFE, _LEEWAY = 3_600, 30
"""Seconds. A signature covers no path, so it is good for the whole site: not for long."""
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]{0,60})=(\([^()]*\)(?:;[^,()]*)?|:[A-Za-z0-9+/=]*:)")
_COMPONENT = re.compile(r'"([a-z0-9@-]{1,60})"((?:;key="[\w.-]{1,64}")?)')
_STRING_MEMBER: re.Pattern[str] = re.compile(
    r'(?:^|,)\s{0,9}([a-z*][a-z0-9_.*-]{0,60})=("(?:[^"\\]|\\["\\]){0,200}")'
)
_PARAMETER = re.compile(
    r';([a-z*][a-z0-9_.*-]{0,60})=(?:"((?:[^"\\]|\\["\\]){0,200})"|(-?[0-9]{1,15}))'
)


@dataclass(frozen=True)
class SignedRequest:
    """What of a request may be signed. `headers` by names in small letters, each once.

    `authority` is the host that was asked, if it is one of ours: what another host was sent proves nothing here.
    """

    method: str
    authority: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Signed:
    """One signature. `input` is the value of its member in Signature-Input, as it was sent."""

    components: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]
    input: str
    signature: bytes


def thumbprint(key: Mapping[str, str]) -> str:
    """The key id of an Ed25519 JSON Web Key (RFC 7638, RFC 8037)."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
    return _base64url(sha256(canonical.encode()).digest())


def checked_key(key: Mapping[str, str]) -> dict[str, str]:
    """The members of a JSON Web Key that are kept. ValueError says what is wrong with it."""
    if key.get("kty") != "OKP" or key.get("crv") != "Ed25519" or not isinstance(key.get("x"), str):
        raise ValueError("A key is no Ed25519 key: it needs kty OKP, crv Ed25519 and x.")
    if "d" in key:
        raise ValueError("A key is private: it has d. Only the public part belongs here.")
    Ed25519PublicKey.from_public_bytes(_decoded(key["x"]))
    return {"kty": "OKP", "crv": "Ed25519", "x": key["x"]}


def signer(
    request: SignedRequest, keys: Iterable[tuple[str, Mapping[str, str]]], now: datetime
) -> str | None:
    """Whose key, of those that are known with their owners' names, has signed the request; None: none."""
    inputs = request.headers.get("signature-input", "")
    signatures = request.headers.get("signature", "")
    if not inputs or len(inputs) + len(signatures) > _LONGEST:
        return None
    by_id = {thumbprint(key): (owner, key) for owner, key in keys}
    for signed in _signed(inputs, signatures):
        owner, key = by_id.get(signed.parameters.get("keyid", ""), (None, None))
        if key is not None and _is_in_time(signed, now) and _verifies(signed, key, request):
            return owner
    return None


def _signed(inputs: str, signatures: str) -> Iterable[_Signed]:
    """The signatures with our tag that are written as they must be."""
    values = dict(_members(signatures))
    for label, text in _members(inputs):
        inner, _, rest = text.partition(")")
        components = tuple(_COMPONENT.findall(inner))
        spelled = " ".join(f'"{name}"{key}' for name, key in components)
        found = _PARAMETER.findall(rest)
        parameters = {name: string or number for name, string, number in found}
        # What isn't read to its end, or says a thing twice, may mean something else to its signer.
        is_plain = f"({spelled}" == inner and len(_PARAMETER.sub("", rest)) == 0
        once = len(parameters) == len(found) and len(set(components)) == len(components)
        signature = _signature(values.get(label, ""))
        if is_plain and once and parameters.get("tag") == _TAG and signature is not None:
            yield _Signed(components, parameters, text, signature)


def _signature(value: str) -> bytes | None:
    """The bytes of a member of Signature; None: it isn't Base64."""
    if not value.startswith(":"):
        return None
    try:
        return base64.b64decode(value.strip(":"))
    except ValueError:
        return None


def _members(header: str) -> Iterable[tuple[str, str]]:
    found = _MEMBER.findall(header)
    spelled = ",".join(part.strip() for part in header.split(","))
    plain = ",".join(f"{label}={value}" for label, value in found) == spelled
    return found if plain and len({label for label, _ in found}) == len(found) else []


def _is_in_time(signed: _Signed, now: datetime) -> bool:
    try:
        created = int(signed.parameters["created"])
        expires = int(signed.parameters["expires"])
    except (KeyError, ValueError):
        return False
    at = now.timestamp()
    return created - _LEEWAY <= at <= expires + _LEEWAY and 0 < expires - created <= _LONGEST_LIFE


def _verifies(signed: _Signed, key: Mapping[str, str], request: SignedRequest) -> bool:
    names = {name for name, _ in signed.components}
    if not request.authority or not {"@authority", "signature-agent"} <= names:
        return False
    if signed.parameters.get("alg", "ed25519") != "ed25519":
        return False
    try:
        lines = [
            f'"{name}"{key_}: {_value(name, key_, request)}' for name, key_ in signed.components
        ]
        base = "\n".join([*lines, f'"@signature-params": {signed.input}'])
        Ed25519PublicKey.from_public_bytes(_decoded(key["x"])).verify(
            signed.signature, base.encode()
        )
    except (InvalidSignature, LookupError, ValueError):
        return False
    return True


def _value(name: str, key: str, request: SignedRequest) -> str:
    """KeyError for what the request doesn't have, ValueError for what is too long to look for a member in."""
    derived = {
        "@authority": request.authority.lower(), "@method": request.method, "@path": request.path,
        "@query": f"?{request.query}",
    }  # fmt: skip
    if name.startswith("@"):
        return derived[name]
    whole = request.headers[name].strip()
    if not key:
        return whole
    if len(whole) > _LONGEST:
        raise ValueError(name)
    member = key.removeprefix(';key="').removesuffix('"')
    members: dict[str, str] = dict(_STRING_MEMBER.findall(whole))
    return members[member]


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
