"""`paywall demo`."""

from pathlib import Path
from typing import Annotated

import typer

from service.demo.history.year import DEFAULT_SIZE
from service.demo.run import run_demo

EXAMPLE = "Example: paywall demo --port 9000 --data some/folder"


def demo(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8000,
    data: Annotated[Path, typer.Option(help="Data folder.")] = Path(".data"),
    scale: Annotated[
        int,
        typer.Option(
            min=0,
            help="About how many subscribers a new demo has, with a year behind them. 0: none.",
        ),
    ] = DEFAULT_SIZE,
) -> None:
    """Open the sample newspaper with its local Stripe. A second start finds its data again."""
    run_demo(port=port, data=data, scale=scale)
