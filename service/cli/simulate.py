"""`paywall simulate`."""

import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from service.cli.port import taken_port
from service.cli.running import CommandFailed
from service.clock import Clocks
from service.listening import serve
from service.simulator.app import ChaosRules, Simulator, WebhookTarget, create_simulator

EXAMPLE = (
    "Example: paywall simulate --port 8100 --data stripe.db "
    "--webhook http://127.0.0.1:8000/v1/webhooks/stripe --secret whsec_local"
)
GRACEFUL_SECONDS = 10


def simulate(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8100,
    data: Annotated[
        Path | None, typer.Option(help="File for its data. [default: in memory]")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="URL that receives events.")] = None,
    secret: Annotated[str, typer.Option(help="Signing secret for events.")] = "whsec_local",  # noqa: S107 of a simulation
    chaos_seed: Annotated[
        int | None,
        typer.Option(
            help="Disturb webhooks: out of order and as below. The same seed and events repeat it."
        ),
    ] = None,
    chaos_duplicate: Annotated[
        float, typer.Option(min=0, max=1, help="How many of them come twice, 0 to 1.")
    ] = 0.2,
    chaos_delay: Annotated[
        float, typer.Option(min=0, max=1, help="How many come up to a day of its time later.")
    ] = 0.0,
    chaos_drop: Annotated[
        float, typer.Option(min=0, max=1, help="How many never come, 0 to 1.")
    ] = 0.0,
) -> None:
    """Run the local Stripe alone, for the tests of anything that talks to Stripe.

    An API below /v1 for any Stripe SDK, pages to pay on, signed webhooks, and a clock to move. No
    real money moves. What it does, and where it differs from Stripe, is in docs/local-stripe.md.
    """
    url = f"http://127.0.0.1:{port}"
    targets = (WebhookTarget(webhook, secret),) if webhook else ()
    chaos = (
        ChaosRules(
            chaos_seed,
            shuffle=True,
            duplicate=chaos_duplicate,
            delay=chaos_delay,
            drop=chaos_drop,
        )
        if chaos_seed is not None
        else None
    )
    with taken_port("127.0.0.1", port) as listener:
        simulator = _simulator(data, url, targets, chaos)
        typer.echo(_told(url, webhook, secret, chaos))
        serve(simulator, listener, graceful_seconds=GRACEFUL_SECONDS)


def _told(url: str, webhook: str | None, secret: str, chaos: ChaosRules | None) -> str:
    settings = (
        f"PAYWALL_STRIPE_API_BASE={url} PAYWALL_STRIPE_SECRET_KEY=sk_test_local "
        f"PAYWALL_STRIPE_WEBHOOK_SECRET={secret}"
    )
    lines = [
        f"The local Stripe answers at {url}. No real money moves. Stop it with Ctrl-C.",
        f"For a Stripe SDK: set its API base to {url}. Any key like sk_test_local will do.",
        f"For this service: {settings}",
        f"Webhooks go to {webhook}, signed with {secret}."
        if webhook
        else "Webhooks go nowhere: start it with --webhook URL, or create an endpoint by the API.",
    ]
    if chaos is not None:
        lines.append(f"They are disturbed by seed {chaos.seed}; {url}/_sim/chaos changes that.")
    return "\n".join(lines)


def _simulator(
    data: Path | None, url: str, targets: tuple[WebhookTarget, ...], chaos: ChaosRules | None
) -> Simulator:
    try:
        return create_simulator(
            database=data,
            public_url=url,
            wall_now=Clocks().wall,
            endpoints=targets,
            chaos=chaos,
        )
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(
            f"{data} can't keep the local Stripe's data ({error}). Name a file you may write to."
        ) from error
