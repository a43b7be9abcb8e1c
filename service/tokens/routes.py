"""The public keys, for everybody who verifies our tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.html.public_answer import encode, public_answer
from service.running import part
from service.tokens.keys import JWKS_MAX_AGE, KeyRingHolder
from service.tokens.schemas import JwkSet

router = APIRouter(tags=["tokens"])


AppKeyRing = Annotated[KeyRingHolder, Depends(part(KeyRingHolder))]


@router.get(
    "/.well-known/jwks.json",
    response_model=JwkSet,
    response_model_exclude_none=True,
    responses={304: {"description": "The key set is still the one of If-None-Match."}},
)
async def read_jwks(request: Request, key_ring: AppKeyRing) -> Response:
    """The JSON Web Key Set: verify our tokens with it, without asking us about each one.

    Keys that will sign next are in it ten minutes ahead, so a copy may be kept for the five minutes
    of `max-age`. Fetch it again when a token names a `kid` that the copy lacks.
    """
    # application/json rather than application/jwk-set+json: RFC 7517 registers the latter, but
    # clients and CDNs exist that parse or compress only the former, and all take it.
    seconds = int(JWKS_MAX_AGE.total_seconds())
    return public_answer(
        request, encode(key_ring.current.public_jwks()), seconds, may_be_stale=True
    )
