"""`paywall doctor`: everything that an installation needs, looked at; what is wrong, with what to do."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import typer

from service.billing.stripe_setup import SetupFinding, check
from service.cli.running import command, ready_context
from service.cli.troubles import sentence
from service.db.context import Context
from service.identity.secrets import derived_key
from service.outbox.configured import mailer_of_settings
from service.outbox.mailer import Deferred
from service.outbox.smtp import SmtpMailer
from service.payments.configured import gateway_of_settings
from service.payments.gateway import Gateway, GatewayRefused, GatewayUnavailable
from service.reports.channel_facts import stored_facts
from service.reports.channels import Facts, channels
from service.settings import DEVELOPMENT_SECRET, Settings
from service.tokens.key_pairs import KeyRefused, KeyUnreadable
from service.tokens.keys import KeyRingHolder

EXAMPLE = "Example: paywall doctor"
_MARKS = {"ready": "ok", "missing": "MISSING", "differs": "WRONG", "warning": "note"}
_HERE = {"127.0.0.1", "localhost", "::1"}


@command
async def doctor() -> None:
    """Check settings, database, token keys, Stripe, webhooks, clock, mail, jobs, cookies and proxy.

    It changes nothing, and may run beside the service. Exit code 1: something needs fixing.
    """
    settings = Settings()
    gateway = gateway_of_settings(settings)
    wrong = False
    try:
        async with ready_context(settings) as context:
            async for finding in _findings(context, gateway):
                print(f"{_MARKS[finding.state]:<8}{finding.what}")
                if finding.advice:
                    print(f"{'':<8}→ {finding.advice}")
                wrong = wrong or finding.state in {"missing", "differs"}
    finally:
        if gateway is not None:
            await gateway.close()
    if wrong:
        raise typer.Exit(1)


async def _findings(context: Context, gateway: Gateway | None) -> AsyncIterator[SetupFinding]:
    for finding in settings_findings(context.settings):
        yield finding
    yield SetupFinding(
        f"database ({context.database.dialect}), at this release's migration", "ready"
    )
    yield await _mail(context.settings)
    if gateway is None:
        yield SetupFinding(
            "Stripe", "warning", "nothing is sold: PAYWALL_STRIPE_SECRET_KEY is empty"
        )
    else:
        async for finding in _stripe(context, gateway):
            yield finding
    for finding in await _channels(context, gateway):
        yield finding


def settings_findings(settings: Settings) -> Iterator[SetupFinding]:
    """What the settings say by themselves; that they are readable was shown by reading them."""
    yield SetupFinding(f"settings, for {settings.environment}", "ready")
    parts = urlsplit(settings.public_url)
    is_here = parts.hostname in _HERE
    if not is_here and settings.environment != "production":
        advice = "set PAYWALL_ENVIRONMENT=production: it refuses what isn't safe"
        yield SetupFinding(f"{settings.public_url} is served for development", "warning", advice)
    if not is_here and settings.secret_key.get_secret_value() == DEVELOPMENT_SECRET:
        advice = "set PAYWALL_SECRET_KEY to a secret of your own"
        yield SetupFinding("the secret key is everybody's", "differs", advice)
    if parts.scheme == "http" and not settings.insecure_cookies:
        advice = (
            "browsers keep our cookies over https alone: give PAYWALL_PUBLIC_URL an https address, or, on "
            "this machine only, set PAYWALL_INSECURE_COOKIES=true"
        )
        yield SetupFinding(f"cookies at {settings.public_url}", "differs", advice)
    else:
        yield SetupFinding(f"cookies at {settings.public_url}", "ready")
    if not is_here and not settings.trusted_proxies:
        advice = (
            "behind a reverse proxy set PAYWALL_TRUSTED_PROXIES to its address: else all readers share one "
            "limit"
        )
        yield SetupFinding("no reverse proxy is trusted", "warning", advice)


async def _mail(settings: Settings) -> SetupFinding:
    mailer = mailer_of_settings(settings)
    if mailer is None:
        return SetupFinding("mail", "warning", "nobody can sign in: PAYWALL_MAIL_FROM is empty")
    if not isinstance(mailer, SmtpMailer):
        return SetupFinding("mail", "warning", "mails are only logged: PAYWALL_SMTP_URL is empty")
    try:
        await mailer.greet()
    except Deferred as error:
        return SetupFinding("mail server", "differs", f"{error}: look at PAYWALL_SMTP_URL")
    return SetupFinding("mail server, and our log-in there", "ready")


async def _stripe(context: Context, gateway: Gateway) -> AsyncIterator[SetupFinding]:
    try:
        found = await check(context, gateway)
    except (GatewayUnavailable, GatewayRefused) as error:
        yield SetupFinding("Stripe", "differs", sentence(error) or "")
        return
    for finding in found.findings:
        yield finding


async def _channels(context: Context, gateway: Gateway | None) -> list[SetupFinding]:
    """What the database and Stripe's answers say of the running service."""
    settings, now = context.settings, context.clocks.wall()
    ring = KeyRingHolder(derived_key(settings, "token-keys"))
    trouble = ""
    try:
        await ring.refresh(context.database)
        trouble = ring.trouble
    except (KeyRefused, KeyUnreadable) as error:
        trouble = str(error)
    async with context.database.reading() as session:
        stored = await stored_facts(session, now)
    facts = Facts(
        now, sells=gateway is not None, mails=bool(settings.mail_from), database_at=now, keys=trouble,
        stripe_at=now, ahead=gateway.contact.ahead(now) if gateway is not None else None, **stored,
    )  # fmt: skip
    named = {"keys": "token keys", "clock": "clock, beside Stripe's"}
    return [
        SetupFinding(
            named.get(each.name, each.name), "differs" if each.trouble else "ready", each.trouble
        )
        for each in channels(facts)
        if each.name not in {"database", "stripe"}
    ]
