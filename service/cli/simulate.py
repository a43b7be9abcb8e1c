"""`paywall simulate`."""

import socket
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from service.clock import Clocks
from service.demo.place import listen
from service.simulator.app import WebhookTarget, create_simulator

EXAMPLE = (
    "Example: paywall simulate --port 8100 --data stripe.db "
    "--webhook http://127.0.0.1:8000/v1/webhooks/stripe --secret whsec_local"
)


def simulate(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8100,
    data: Annotated[Path | None, typer.Option(help="File that keeps it; none: memory.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Where events go.")] = None,
    secret: Annotated[str, typer.Option(help="Signing secret of these events.")] = "whsec_local",  # noqa: S107 of a simulation
) -> None:
    """Run the local Stripe alone: an API below /v1, and pages to pay on. No real money moves."""
    with listen(port) as listener:
        _serve(port, data, (WebhookTarget(webhook, secret),) if webhook else (), listener)


def _serve(
    port: int, data: Path | None, targets: tuple[WebhookTarget, ...], listener: socket.socket
) -> None:
    url = f"http://127.0.0.1:{port}"
    simulator = create_simulator(
        database=data, public_url=url, wall_now=Clocks().wall, endpoints=targets
    )
    print(
        f"The local Stripe answers at {url}. Any key like sk_test_… will do. Stop it with Ctrl-C."
    )
    config = uvicorn.Config(simulator, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])
