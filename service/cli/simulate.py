"""`paywall simulate`."""

import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from service.cli.running import CommandFailed, taken_port
from service.clock import Clocks
from service.listening import serve
from service.simulator.app import Simulator, WebhookTarget, create_simulator

EXAMPLE = (
    "Example: paywall simulate --port 8100 --data stripe.db "
    "--webhook http://127.0.0.1:8000/v1/webhooks/stripe --secret whsec_local"
)
GRACEFUL_SECONDS = 10


def simulate(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8100,
    data: Annotated[Path | None, typer.Option(help="File that keeps it; none: memory.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Where events go.")] = None,
    secret: Annotated[str, typer.Option(help="Signing secret of these events.")] = "whsec_local",  # noqa: S107 of a simulation
) -> None:
    """Run the local Stripe alone: an API below /v1, and pages to pay on. No real money moves."""
    url = f"http://127.0.0.1:{port}"
    targets = (WebhookTarget(webhook, secret),) if webhook else ()
    with taken_port("127.0.0.1", port) as listener:
        simulator = _simulator(data, url, targets)
        typer.echo(
            f"The local Stripe answers at {url}. Any key like sk_test_… will do. "
            "Stop it with Ctrl-C."
        )
        serve(simulator, listener, graceful_seconds=GRACEFUL_SECONDS)


def _simulator(data: Path | None, url: str, targets: tuple[WebhookTarget, ...]) -> Simulator:
    try:
        return create_simulator(
            database=data, public_url=url, wall_now=Clocks().wall, endpoints=targets
        )
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(
            f"{data} can't keep the local Stripe's data ({error}). Name a file you may write to."
        ) from error
