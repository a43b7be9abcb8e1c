"""The public keys, for everybody who verifies our tokens."""

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import Response
from starlette.requests import HTTPConnection

from service.tokens.keys import JWKS_MAX_AGE, KeyRingHolder
from service.tokens.schemas import JwkSet

router = APIRouter(tags=["tokens"])

_CACHING = {
    "Cache-Control": f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}",
    "Access-Control-Allow-Origin": "*",
    "Vary": "Accept-Encoding",
}


def key_ring_of(connection: HTTPConnection) -> KeyRingHolder:
    """The key ring of the application that answers this request."""
    holder: KeyRingHolder = connection.app.state.key_ring
    return holder


AppKeyRing = Annotated[KeyRingHolder, Depends(key_ring_of)]


@router.get(
    "/.well-known/jwks.json",
    response_model=JwkSet,
    response_model_exclude_none=True,
    responses={304: {"description": "The key set is still the one of If-None-Match."}},
)
async def read_jwks(
    key_ring: AppKeyRing, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The JSON Web Key Set: verify our tokens with it, without asking us about each one.

    Keys that will sign next are in it ten minutes ahead, so a copy may be kept for the five minutes
    of `max-age`. Fetch it again when a token names a `kid` that the copy lacks.
    """
    # application/json rather than application/jwk-set+json: RFC 7517 registers the latter, but
    # clients and CDNs exist that parse or compress only the former, and all take it.
    body = json.dumps(key_ring.current.public_jwks(), separators=(",", ":")).encode()
    headers = {**_CACHING, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    if if_none_match is not None and _names(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Whether the header names `etag`; compared weakly (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
