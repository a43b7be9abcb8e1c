"""Every setting of the service: environment variables `PAYWALL_…`, or a `.env` file.

docs/settings.md lists them; a test holds the list complete.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formataddr, parseaddr
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Depends
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.levels import Level, Span, WindowKind
from service.running import part
from service.zones import zone_named

DEVELOPMENT_SECRET = "development-only-secret-key-do-not-use"  # noqa: S105 refused in production
MINIMUM_SECRET_LENGTH = 32
_CODE_LENGTH = 3
MOST_DAYS = 366
_DEFAULT_PORTS = {"http": 80, "https": 443}

Words = Annotated[tuple[str, ...], NoDecode]
"""A JSON list in the environment; read by `_listed`, which says what is wrong with it."""
Levels = Annotated[Mapping[str, Level], NoDecode]
"""A JSON object of levels by name in the environment; read by `_by_name`."""


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
        "encrypts the token keys and operators' one-time codes at rest. With another one anonymous "
        "devices are forgotten, and what was encrypted before can't be read.",
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
    default_level: Level = Field(
        "metered",
        description="Access level of an article that names none, until an editor saves rules.",
    )
    section_levels: Levels = Field(
        {},
        description="Levels of sections, as a JSON object: they hold for articles that name none, until an "
        "editor saves rules.",
    )
    tag_levels: Levels = Field(
        {},
        description="Levels of tags, as a JSON object: exceptions from the section's level. Of "
        "several tags of an article, the one named first here counts.",
    )
    preview_blocks: int = Field(
        3, ge=1, le=50, description="Blocks of text in a preview when the author set no mark."
    )
    preview_words: int = Field(200, ge=1, le=5000, description="Words in such a preview, at most.")
    preview_withheld_percent: int = Field(
        40,
        ge=10,
        le=95,
        description="Share of an article's words that such a preview leaves behind it, at least.",
    )
    meter_limit: int | None = Field(
        3,
        ge=0,
        le=1000,
        description="Free metered articles a window and anonymous device. 0 opens "
        "none; `null` switches the meter off: metered articles are then open to everybody.",
    )
    meter_window: WindowKind = Field(
        "month",
        description="Calendar window of the meter, in the publication's time zone; `rolling`: some days from a "
        "reader's first article.",
    )
    meter_days: int = Field(
        30, ge=1, le=MOST_DAYS, description="Days of 24 hours of a rolling window."
    )
    wall_title: str = Field(
        "Subscribe to read on", description="Headline of the wall.", max_length=200
    )
    wall_text: str = Field(
        "You have reached the end of what is free. Choose an offer and read on at once.",
        description="Text of the wall.",
        max_length=1000,
    )
    wall_purpose: str = Field(
        "Subscriptions pay for our reporting and keep it independent.",
        description="What the money does, in two lines at most, above the button of every offer.",
        max_length=300,
    )
    currency: str = Field(
        "",
        description="Currency of the offers that readers see first, such as `EUR`; the others are a "
        "click away. Empty: that of the first offer.",
    )
    country_header: str = Field(
        "",
        description="Header in which one of `PAYWALL_TRUSTED_PROXIES` names the reader's country, such as "
        "`CF-IPCountry`: pages show that country's currency first, where something is sold in it.",
        pattern=r"^[A-Za-z0-9-]*$",
        max_length=100,
    )
    register_wall_title: str = Field(
        "",
        description="Headline of the wall that registering opens. Empty: what registering brings, such "
        "as “Read 5 more articles this month, free”.",
        max_length=200,
    )
    register_wall_text: str = Field(
        "Type your e-mail address: we mail you a link and a code. That makes your account, without a "
        "password.",
        description="Text of the wall that registering opens.",
        max_length=1000,
    )
    renewal_slack_hours: int = Field(
        48, ge=0, le=240, description="How long access outlives a period while a renewal is late."
    )
    grace_days: int = Field(
        14, ge=0, le=60, description="Access of a past-due subscription, from its open invoice."
    )
    refund_policy: Literal["keep", "end_access", "cancel"] = Field(
        "keep",
        description="What a full refund of all that was paid for the present period does: nothing, end access, or "
        "cancel the subscription too. A refund made in the back office says it itself.",
    )
    rights_by_account: bool = Field(
        False,
        description="Readers may say by account number, or name, and postcode that they subscribe elsewhere.",
    )
    rights_provisional_days: int = Field(
        0,
        ge=0,
        le=31,
        description="Days for which a reader reads whose account number no list has yet; once a reader and "
        "number. 0: none.",
    )
    registered_meter_limit: int = Field(
        5,
        ge=0,
        le=1000,
        description="Free metered articles a window for signed-in readers with a verified address.",
    )
    meter_carry_count: bool = Field(
        False,
        description="At sign-in what the device has read counts against the reader's own limit. "
        "Re-reading it stays free either way.",
    )
    ledger_keep_months: int | None = Field(
        None,
        ge=1,
        le=1200,
        description="Months before the running one of which reads and walls are kept; older ones are "
        "deleted, and reports of them end. Absent: all are kept.",
    )
    holder_days_keep_months: int = Field(
        25,
        ge=14,
        le=1200,
        description="Months before the running one of which it is kept who read on which day, to count "
        "distinct holders of reads and walls. What is counted of older ones stays.",
    )
    mail_from: str = Field(
        "",
        description="Sender of mails, such as `Gazette <hello@example.org>`. Empty: no mail is "
        "sent and nobody can sign in.",
        max_length=320,
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`. "
        "Empty, in development only: mails are logged and kept for a mailbox page.",
    )
    newsletter_wording: str = Field(
        "",
        description="What is beside the box by which readers ask for the newsletter when they sign in "
        "or buy. It is stored with each answer. Empty: nobody is asked.",
        max_length=500,
    )
    experiments_need_consent: bool = Field(
        True,
        description="Only readers whose frontend says that they agreed take part in experiments (the cookie "
        "`paywall_consent` or the header `Paywall-Consent`, with `experiments` in it). False, where the law doesn't "
        "ask for that: all do.",
    )
    language: Literal["en", "de"] = Field("en", description="Language of mails to readers.")
    sign_in_mails_per_hour: int = Field(
        5,
        ge=0,
        le=1000,
        description="Sign-in mails an hour to one address from one network, and ten times as many from "
        "all; 0: no limit.",
    )
    sign_in_requests_per_hour: int = Field(
        100,
        ge=0,
        le=100_000,
        description="Requests for sign-in mails an hour from one network (/24, /48); 0: no limit.",
    )
    checkouts_per_hour: int = Field(
        30,
        ge=0,
        le=100_000,
        description="Calls an hour that ask Stripe (checkout, return, portal) for one reader or device, "
        "and ten times as many for those who aren't signed in on one network (/24, /48); 0: no limit.",
    )
    trusted_proxies: Words = Field(
        (),
        description="Addresses or networks of your reverse proxies and server-rendered frontends, "
        "as a JSON list: only what these say of the client's address is believed.",
    )
    gift_links_per_month: int = Field(
        10,
        ge=0,
        le=1000,
        description="Articles a calendar month that a subscriber may give to others by a gift link; "
        "0: none.",
    )
    gift_link_days: int = Field(
        30, ge=1, le=365, description="A gift link opens its article for this many days."
    )
    gift_link_readers: int = Field(
        50,
        ge=1,
        le=10_000,
        description="Distinct readers, by their devices, that one gift link opens to.",
    )
    cookieless_unlocks_per_day: int = Field(
        500,
        ge=0,
        le=1_000_000,
        description="Articles a day that the meter or a gift link opens to readers without cookies from "
        "one network (/24, /48); 0: no limit. Trusted proxies are exempt.",
    )
    session_days: int = Field(
        365, ge=1, le=400, description="A reader's session ends after this many days."
    )
    devices_per_reader: int = Field(
        5,
        ge=1,
        le=100,
        description="Sessions a reader can have at once; the one unused for longest ends.",
    )
    session_idle_days: int = Field(
        30, ge=1, le=400, description="A reader's session ends when unused for this many days."
    )
    operator_session_hours: int = Field(
        12, ge=1, le=168, description="An operator's session ends after this many hours."
    )
    access_token_minutes: int = Field(10, ge=1, le=10, description="Life of an access token.")
    unlock_token_minutes: int = Field(10, ge=1, le=10, description="Life of an unlock token.")
    token_algorithm: Literal["ES256", "EdDSA"] = Field(
        "ES256", description="What new signing keys sign with; a change takes one rotation."
    )
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
    stripe_webhook_secret_old: SecretStr = Field(
        SecretStr(""),
        description="The signing secret before, accepted too while the two are exchanged.",
    )
    stripe_api_base: str | None = Field(
        None, description="Base address of a local Stripe; omit it for Stripe itself."
    )
    stripe_timeout_seconds: float = Field(
        4.0, gt=0, le=30, description="Longest wait for one answer of Stripe."
    )
    stripe_automatic_tax: bool = Field(
        False, description="Let Stripe Tax work out the tax at Checkout; set it up at Stripe first."
    )
    stripe_collect_tax_ids: bool = Field(
        False, description="Let businesses type their tax id at Checkout."
    )
    webhooks_allow_private_targets: bool = Field(
        False,
        description="Let webhooks go to addresses of this machine and of private networks "
        "([webhooks.md](webhooks.md)).",
    )
    max_body_kilobytes: int = Field(
        4096,
        ge=64,
        le=65536,
        description="Largest body of an article, a list of rights or institutions, or a webhook; all others have 64 KiB at most.",
    )
    metrics: bool = Field(
        True,
        description="Serve Prometheus figures at `/metrics`.",
    )
    metrics_from: Words = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Addresses or networks that may see `/metrics`, as a JSON list; nobody else learns "
        "that it is there.",
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
        return zone_named(value).key

    @field_validator("currency")
    @classmethod
    def _currency(cls, value: str) -> str:
        code = value.strip().upper()
        if code and not (len(code) == _CODE_LENGTH and code.isascii() and code.isalpha()):
            raise ValueError(f"{value!r} is no ISO 4217 code, such as EUR")
        return code

    @field_validator("allowed_origins", "trusted_proxies", "metrics_from", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _read(value, list, 'a JSON list, such as ["first", "second"]')

    @field_validator("section_levels", "tag_levels", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        example = '{"News": "metered", "Puzzles": "subscribers"}'
        return _read(value, dict, f"a JSON object, such as {example}")

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

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(
                    f"{network!r} is no address or network, such as 10.0.0.0/8"
                ) from error
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        name, address = parseaddr(value)
        if value and ("@" not in address or not value.isprintable()):
            raise ValueError(f"{value!r} is no sender, such as Gazette <hello@example.org>")
        return formataddr((name, address)) if value else ""

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _is_mail_server(value.get_secret_value()):
            raise ValueError(
                "write smtp://user:password@host:587 or smtps://…:465, with what isn't a letter or "
                "figure in user and password as %40 and the like"
            )
        return value

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        secret = self.secret_key.get_secret_value()
        if len(secret) < MINIMUM_SECRET_LENGTH:
            raise ValueError(
                "PAYWALL_SECRET_KEY needs at least 32 characters, "
                'made for example by: python3 -c "import secrets; print(secrets.token_urlsafe())"'
            )
        if self.country_header and not self.trusted_proxies:
            raise ValueError(
                "PAYWALL_COUNTRY_HEADER is believed from PAYWALL_TRUSTED_PROXIES alone: list them"
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
            if self.mail_from and not self.smtp_url.get_secret_value():
                raise ValueError("production sends real mail: set PAYWALL_SMTP_URL")
            if self.stripe_api_base is not None:
                raise ValueError("production talks to Stripe itself: unset PAYWALL_STRIPE_API_BASE")
        return self

    @property
    def meter_span(self) -> Span:
        return Span.of(self.meter_window, self.meter_days)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def readers_can_sign_in(self) -> bool:
        """Whether mails can be sent: there is no register wall where nobody could register."""
        return bool(self.mail_from)

    @property
    def origins(self) -> tuple[str, ...]:
        """All origins whose pages may act for a reader, our own first."""
        return (self.public_url, *self.allowed_origins)


def _read(value: Any, kind: type, wanted: str) -> Any:
    """What a text from the environment says in JSON; anything else as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        read = json.loads(value)
        if isinstance(read, kind):
            return read
    raise ValueError(f"write {wanted}")


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


def _is_mail_server(address: str) -> bool:
    """A slash or hash in the password would end the host: then there is something after it."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 raises where it is no number, and would tell a part of the password
    except ValueError:
        return False
    extra = parts.path not in {"", "/"} or parts.query or parts.fragment
    return parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and not extra


AppSettings = Annotated[Settings, Depends(part(Settings))]
