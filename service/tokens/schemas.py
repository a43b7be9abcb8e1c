"""The key set and issued tokens in the OpenAPI document."""

from typing import Literal

from pydantic import BaseModel, Field


class Jwk(BaseModel):
    """One public key (RFC 7517; RFC 8037 for Ed25519, which has no `y`)."""

    kid: str = Field(description="Name of the key: its RFC 7638 thumbprint.")
    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "Ed25519"]
    alg: Literal["ES256", "EdDSA"]
    use: Literal["sig"]
    x: str
    y: str | None = None


class JwkSet(BaseModel):
    """All keys that may have signed a token still alive, or will sign soon."""

    keys: list[Jwk]


class IssuedToken(BaseModel):
    """An access token: `Authorization: Bearer …` opens what the reader's live grants cover."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 the scheme's name
    expires_in: int
    """Seconds."""
    refresh_token: str | None = None
    """For apps: good for the next access token. Browsers keep it in a cookie instead."""
