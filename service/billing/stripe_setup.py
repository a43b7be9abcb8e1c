"""What has to be at Stripe before selling: looked at, and made where it is absent.

The plan asks nobody; looking and making ask Stripe. A check changes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from service.billing.events import HANDLED
from service.db.context import Context
from service.db.tables import Offer
from service.offers.mirror import mirror_offers
from service.offers.portal import holds, mirror_portal, wanted_portals
from service.offers.pricing import PAID_ONCE
from service.offers.store import live_offers
from service.payments.set_up import SetUpGateway, StripePrice, StripeWebhookEndpoint
from service.settings import Settings

WEBHOOK_PATH = "/v1/webhooks/stripe"
State = Literal["ready", "missing", "differs", "warning"]
_UNREACHABLE = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class SetupFinding:
    """One thing at Stripe, its state, and what to do about it (empty: nothing)."""

    what: str
    state: State
    advice: str = ""


@dataclass(frozen=True)
class Setup:
    """What is at Stripe now. `secret` is that of a webhook endpoint made just now."""

    findings: tuple[SetupFinding, ...]
    secret: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing is missing or wrong; a warning is neither."""
        return all(finding.state in {"ready", "warning"} for finding in self.findings)


def offer_finding(offer: Offer, price: StripePrice | None) -> SetupFinding:
    """An offer and its price at Stripe; None: it has none there."""
    what = f"price of {offer.name} ({offer.plan or 'one article'}, {offer.amount} {offer.currency})"
    if price is None:
        return SetupFinding(what, "missing", "run `paywall stripe setup`")
    if not price.active:
        advice = "make it active again at Stripe, or archive the offer and create a new one"
        return SetupFinding(what, "differs", f"{price.id} is archived: {advice}")
    recurring = None if offer.kind in PAID_ONCE else (offer.interval, offer.interval_count)
    told = None if price.interval is None else (price.interval, price.interval_count)
    same = (price.amount, price.currency.upper()) == (offer.amount, offer.currency)
    if not same or told != recurring:
        advice = f"{price.id} has another amount, currency or interval: archive the offer here"
        return SetupFinding(what, "differs", f"{advice} and create a new one")
    return SetupFinding(f"{what}: {price.id}", "ready")


def webhook_findings(
    endpoints: Iterable[StripeWebhookEndpoint], url: str, *, has_secret: bool
) -> Iterator[SetupFinding]:
    """The endpoint at `url`; the secret that we verify with is a setting of ours."""
    what = f"webhook endpoint {url}"
    ours = next((each for each in endpoints if each.url == url), None)
    if ours is None:
        yield SetupFinding(what, "missing", "run `paywall stripe setup`")
        return
    if not ours.speaks_our_version:
        # Stripe lets nobody change it. An old one sends an invoice without its subscription.
        advice = (
            f"{ours.id} speaks another version of Stripe's API: delete it at Stripe, run `paywall "
            "stripe setup`, and set the signing secret that it prints"
        )
        yield SetupFinding(what, "differs", advice)
    elif ours.status != "enabled":
        yield SetupFinding(what, "differs", "it is disabled: run `paywall stripe setup`")
    elif difference := _difference(ours.events, HANDLED):
        yield SetupFinding(what, "differs", f"{difference}: run `paywall stripe setup`")
    else:
        yield SetupFinding(f"{what}: {ours.id}", "ready")
    if not has_secret:
        advice = (
            "reveal the endpoint's signing secret in Stripe's dashboard and set "
            "PAYWALL_STRIPE_WEBHOOK_SECRET to it"
        )
        yield SetupFinding("signing secret of the webhooks", "missing", advice)


def _difference(told: Collection[str], wanted: Collection[str]) -> str:
    absent, needless = sorted(set(wanted) - set(told)), sorted(set(told) - set(wanted))
    parts = [f"lacks {', '.join(absent)}"] if absent else []
    parts += [f"receives {', '.join(needless)} needlessly"] if needless else []
    return " and ".join(parts)


async def check(context: Context, gateway: SetUpGateway) -> Setup:
    """The state of everything. Raises GatewayUnavailable and GatewayRefused."""
    findings = [await _account(gateway, context.settings)]
    async with context.database.reading() as session:
        offers = await live_offers(session)
    if not offers:
        findings.append(
            SetupFinding("offers", "missing", "sell something: `paywall offers create`")
        )
    for offer in offers:
        price = None
        if offer.stripe_price_id is not None:
            price = await gateway.retrieve_price(offer.stripe_price_id)
        findings.append(offer_finding(offer, price))
    findings += await _portals(context, gateway)
    url = webhook_url(context.settings)
    findings += webhook_findings(
        await gateway.webhook_endpoints(),
        url,
        has_secret=bool(context.settings.stripe_webhook_secret.get_secret_value()),
    )
    if urlsplit(url).hostname in _UNREACHABLE and context.settings.stripe_api_base is None:
        advice = f"for tests forward them: stripe listen --forward-to {url}"
        findings.append(
            SetupFinding("webhooks: Stripe can't reach this machine", "warning", advice)
        )
    return Setup(tuple(findings))


async def set_up(context: Context, gateway: SetUpGateway) -> Setup:
    """Make what is missing and change what differs, then look again. Safe to repeat."""
    await mirror_offers(context.database, gateway)
    await mirror_portal(context.database, gateway, context.settings.publication)
    url = webhook_url(context.settings)
    ours = [each for each in await gateway.webhook_endpoints() if each.url == url]
    secret = None
    if not ours:
        secret = (await gateway.create_webhook_endpoint(url, HANDLED)).secret
    elif ours[0].status != "enabled" or ours[0].events != frozenset(HANDLED):
        await gateway.update_webhook_endpoint(ours[0].id, HANDLED)
    found = await check(context, gateway)
    return Setup(found.findings, secret)


def webhook_url(settings: Settings) -> str:
    return f"{settings.public_url}{WEBHOOK_PATH}"


async def _account(gateway: SetUpGateway, settings: Settings) -> SetupFinding:
    account = await gateway.account()
    key = settings.stripe_secret_key.get_secret_value()
    mode = "live" if "_live_" in key else "test"
    what = f"account {account.id} ({account.country or 'no country'}), {mode} mode"
    if account.charges_enabled:
        return SetupFinding(what, "ready")
    return SetupFinding(what, "warning", "it can't take money yet: finish its details at Stripe")


async def _portals(context: Context, gateway: SetUpGateway) -> list[SetupFinding]:
    wanted = await wanted_portals(context.database, gateway, context.settings.publication)
    return [await _portal(gateway, name, features) for name, features in wanted.items()]


async def _portal(gateway: SetUpGateway, name: str, wanted: Mapping[str, Any]) -> SetupFinding:
    found = await gateway.portal_configuration(name)
    what = f"customer portal of {name}"
    if found is None:
        return SetupFinding(what, "missing", "run `paywall stripe setup`")
    if not holds(wanted, found.features):
        advice = "it doesn't fit what is sold: run `paywall stripe setup`"
        return SetupFinding(what, "differs", advice)
    return SetupFinding(f"{what}: {found.id}", "ready")
