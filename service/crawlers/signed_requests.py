"""Whose key has signed a request (signatures.py). Pure.

Imported with the first signed request: most newsrooms know no keys.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureComponentResolver,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from service.crawlers.signatures import SignedRequest, public_key, thumbprint

_TAG = "web-bot-auth"
_AGENT = "signature-agent"
_SENT = ("signature-input", "signature", _AGENT)
_LONGEST = 4_000
"""Characters of these headers together."""
_LONGEST_LIFE, _LEEWAY = 3_600, 30
"""Seconds. A signature that covers no path is good for the whole site: not for long."""
_HOSTS = ('"@authority"', '"@target-uri"')
_DERIVED = ("@authority", "@method", "@path", "@query", "@target-uri")


def signer(
    request: SignedRequest, keys: Iterable[tuple[str, Mapping[str, str]]], now: datetime
) -> str | None:
    """Whose key, of those that are known with their owners' names, has signed the request; None: none.

    Of several signatures with the tag each has to be a known key's.
    """
    if (
        not request.authority
        or sum(len(request.headers.get(each, "")) for each in _SENT) > _LONGEST
    ):
        return None
    known = _Known(keys)
    try:
        signed = _Verifier(known, now).verify(
            request, expect_tag=_TAG, max_age=None, require_components=()
        )
    except InvalidSignature:
        return None
    if not all(_covers_enough(each.covered_components, request) for each in signed):
        return None
    return known.owners[str(signed[0].parameters["keyid"])]


def _covers_enough(covered: Collection[str], request: SignedRequest) -> bool:
    """Our host and, where it is sent, Signature-Agent, as a whole or a member of it."""
    names_agent = any(each.partition(";")[0] == f'"{_AGENT}"' for each in covered)
    return any(each in _HOSTS for each in covered) and (
        names_agent or _AGENT not in request.headers
    )


class _Known(HTTPSignatureKeyResolver):
    """The keys of crawlers by their thumbprints."""

    def __init__(self, keys: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        by_id = {thumbprint(key): (owner, key) for owner, key in keys}
        self.owners = {each: owner for each, (owner, _) in by_id.items()}
        self._keys = {each: key for each, (_, key) in by_id.items()}

    def resolve_public_key(self, key_id: str) -> object:
        key = self._keys.get(key_id)
        return public_key(key) if key is not None else None


class _Components(HTTPSignatureComponentResolver):
    """What of a request we know as its sender does, whatever a proxy makes of it."""

    derived_component_resolvers = {  # noqa: RUF012 as the library has it
        each: HTTPSignatureComponentResolver.derived_component_resolvers[each] for each in _DERIVED
    }


class _Verifier(HTTPMessageVerifier):
    """The library's, with our time and our limits."""

    def __init__(self, known: _Known, now: datetime) -> None:
        super().__init__(
            signature_algorithm=algorithms.ED25519,
            key_resolver=known,
            component_resolver_class=_Components,
        )
        self._at = now.timestamp()

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:  # noqa: ARG002
        created, expires = (sig_input.params.get(each) for each in ("created", "expires"))
        if not isinstance(created, int) or not isinstance(expires, int):
            raise InvalidSignature("created or expires is missing")
        if not 0 < expires - created <= _LONGEST_LIFE:
            raise InvalidSignature("it would be good for too long, or never")
        if not created - _LEEWAY <= self._at <= expires + _LEEWAY:
            raise InvalidSignature("it isn't good now")
