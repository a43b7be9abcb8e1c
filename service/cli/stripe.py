"""`paywall stripe`: everything the service needs at Stripe."""

from typing import Annotated

import typer

from service.billing.stripe_setup import Setup, check, set_up
from service.cli.running import CommandFailed, command, ready_context
from service.payments.configured import gateway_of_settings
from service.settings import Settings

_EXAMPLE = "Example: paywall stripe setup --check"
_MARKS = {"ready": "ok", "missing": "MISSING", "differs": "DIFFERS", "warning": "note"}
app = typer.Typer(help="Set up Stripe for the service.", epilog=_EXAMPLE, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Set up Stripe for the service."""


@app.command(epilog=_EXAMPLE)
@command
async def setup(
    only_check: Annotated[
        bool,
        typer.Option("--check", help="Look only, change nothing; exit 1 if anything is missing."),
    ] = False,
) -> None:
    """Create products, prices, the customer portal and the webhook endpoint. Safe to repeat.

    The account is that of PAYWALL_STRIPE_SECRET_KEY; the webhooks go to PAYWALL_PUBLIC_URL.
    """
    settings = Settings()
    gateway = gateway_of_settings(settings)
    if gateway is None:
        raise CommandFailed(
            "PAYWALL_STRIPE_SECRET_KEY is empty: set it to a secret key of your account, the test "
            "mode's first (sk_test_…). docs/stripe.md leads through it."
        )
    try:
        async with ready_context(settings) as context:
            look = check if only_check else set_up
            found = await look(context, gateway)
    finally:
        await gateway.close()
    _show(found)
    if not found.is_ready:
        raise typer.Exit(1)


def _show(found: Setup) -> None:
    for finding in found.findings:
        print(f"{_MARKS[finding.state]:<8}{finding.what}")
        if finding.advice:
            print(f"{'':<8}→ {finding.advice}")
    if found.secret is not None:
        print(
            "\nThe webhook endpoint is new. Set this, then restart the service; Stripe shows it "
            f"again in its dashboard only:\nPAYWALL_STRIPE_WEBHOOK_SECRET={found.secret}"
        )
