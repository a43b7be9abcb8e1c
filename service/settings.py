"""Every setting of the service: environment variables `PAYWALL_…`, or a `.env` file.

docs/settings.md lists them; a test holds the list complete.
"""

import json
from contextlib import suppress
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from starlette.requests import HTTPConnection

DEVELOPMENT_SECRET = "development-only-secret-key-do-not-use"  # noqa: S105 refused in production
MINIMUM_SECRET_LENGTH = 32
_DEFAULT_PORTS = {"http": 80, "https": 443}

Words = Annotated[tuple[str, ...], NoDecode]
"""A JSON list in the environment; read by `_listed`, which says what is wrong with it."""


class Settings(BaseSettings):
    """One frozen value, read once at start; production refuses development secrets."""

    model_config = SettingsConfigDict(
        env_prefix="PAYWALL_",
        env_file=".env",
        env_parse_none_str="null",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
        extra="ignore",
    )

    environment: Literal["development", "production"] = Field(
        "development", description="`production` refuses development secrets and plain-http URLs."
    )
    database_url: str = Field(
        "sqlite:///.data/paywall.db",
        description="`sqlite:///path` (one serving process) or `postgresql://user:pass@host/name`.",
    )
    secret_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET),
        description="Master secret, at least 32 characters: signs device cookies and forms, "
        "encrypts the token keys at rest. With another one anonymous devices are forgotten, and "
        "token keys stored before can't be read.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="Where browsers reach the service: issuer of the tokens, base of return "
        "addresses, first allowed origin.",
    )
    allowed_origins: Words = Field(
        (),
        description="Further frontends, as a JSON list of origins: CORS with credentials, "
        "`return_to` addresses and state-changing calls are accepted from these only.",
    )
    publication: str = Field(
        "publication",
        description="The publication's identifier: the tokens' audience (`aud`).",
        min_length=1,
        max_length=200,
    )
    publication_name: str = Field(
        "The Paywall",
        description="The publication's name in pages.",
        min_length=1,
        max_length=200,
    )
    time_zone: str = Field(
        "UTC", description="IANA zone of the publication: meter windows and report days."
    )
    default_level: Literal["free", "metered", "subscribers"] = Field(
        "metered", description="Access level of an article that names none."
    )
    preview_blocks: int = Field(
        3, ge=1, le=50, description="Blocks of text in a preview when the author set no mark."
    )
    meter_limit: int | None = Field(
        3,
        ge=0,
        le=1000,
        description="Free metered articles a window and anonymous device. 0 opens "
        "none; `null` switches the meter off: metered articles are then open to everybody.",
    )
    meter_window: Literal["day", "week", "month"] = Field(
        "month", description="Calendar window of the meter, in the publication's time zone."
    )
    wall_title: str = Field(
        "Subscribe to read on", description="Headline of the wall.", max_length=200
    )
    wall_text: str = Field(
        "You have reached the end of what is free. Choose an offer and read on at once.",
        description="Text of the wall.",
        max_length=1000,
    )
    renewal_slack_hours: int = Field(
        48, ge=0, le=240, description="How long access outlives a period while a renewal is late."
    )
    grace_days: int = Field(
        14, ge=0, le=60, description="Access of a past-due subscription, from its open invoice."
    )
    session_days: int = Field(
        365, ge=1, le=400, description="A reader's session ends after this many days."
    )
    session_idle_days: int = Field(
        30, ge=1, le=400, description="A reader's session ends when unused for this many days."
    )
    operator_session_hours: int = Field(
        12, ge=1, le=168, description="An operator's session ends after this many hours."
    )
    access_token_minutes: int = Field(10, ge=1, le=10, description="Life of an access token.")
    unlock_token_minutes: int = Field(10, ge=1, le=10, description="Life of an unlock token.")
    insecure_cookies: bool = Field(
        False,
        description="Drop `__Host-` and `Secure` from cookies: plain http on this machine only.",
    )
    stripe_secret_key: SecretStr = Field(
        SecretStr(""), description="Stripe API key. Empty: nothing is sold."
    )
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signing secret of the webhook endpoint. Empty: it answers 404."
    )
    stripe_api_base: str | None = Field(
        None, description="Base address of a local Stripe; leave it away for Stripe itself."
    )
    stripe_timeout_seconds: float = Field(
        4.0, gt=0, le=30, description="Longest wait for one answer of Stripe."
    )
    max_body_kilobytes: int = Field(
        4096, ge=64, le=65536, description="Largest request body accepted."
    )
    metrics: bool = Field(
        True,
        description="Serve Prometheus figures at `/metrics`. Shield that path in your proxy.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="One JSON object a line, or text for people."
    )
    background_interval_seconds: float = Field(
        1.0,
        gt=0,
        le=60,
        description="Pause between rounds of background work (inbox, ledger, caches).",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, such as Europe/Lisbon") from error
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        with suppress(ValueError):
            listed = json.loads(value)
            if isinstance(listed, list):
                return listed
        raise ValueError('write a JSON list, such as ["first", "second"]')

    @field_validator("public_url", "allowed_origins")
    @classmethod
    def _origins(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for origin in (value,) if isinstance(value, str) else value:
            sent = _as_browsers_send(origin)
            if sent is None:
                raise ValueError(
                    f"{origin!r} is no origin (scheme, host and port alone), "
                    "such as https://www.example.org"
                )
            if sent != origin:
                raise ValueError(f"browsers send {origin!r} as {sent}: write it so")
        return value

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        secret = self.secret_key.get_secret_value()
        if len(secret) < MINIMUM_SECRET_LENGTH:
            raise ValueError(
                "PAYWALL_SECRET_KEY needs at least 32 characters, "
                'made for example by: python3 -c "import secrets; print(secrets.token_urlsafe())"'
            )
        if self.environment == "production":
            if secret == DEVELOPMENT_SECRET:
                raise ValueError("production refuses the development PAYWALL_SECRET_KEY: set one")
            if self.insecure_cookies:
                raise ValueError("production refuses PAYWALL_INSECURE_COOKIES")
            if not self.public_url.startswith("https://"):
                raise ValueError("production needs an https:// PAYWALL_PUBLIC_URL")
            if any(not origin.startswith("https://") for origin in self.allowed_origins):
                raise ValueError("production needs https:// in PAYWALL_ALLOWED_ORIGINS")
            if self.stripe_api_base is not None:
                raise ValueError("production talks to Stripe itself: unset PAYWALL_STRIPE_API_BASE")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def origins(self) -> tuple[str, ...]:
        """All origins whose pages may act for a reader, our own first."""
        return (self.public_url, *self.allowed_origins)


def _as_browsers_send(address: str) -> str | None:
    """The origin as in a browser's `Origin` header, or None where there is more than an origin."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return None
    parts = urlsplit(address)
    extra = parts.path or parts.query or parts.fragment or address.endswith(("?", "#"))
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or extra or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def settings_of(connection: HTTPConnection) -> Settings:
    """The settings of the application that answers this request."""
    settings: Settings = connection.app.state.settings
    return settings


AppSettings = Annotated[Settings, Depends(settings_of)]
