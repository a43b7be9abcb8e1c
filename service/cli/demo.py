"""`paywall demo`."""

from pathlib import Path
from typing import Annotated

import typer

from service.demo.run import run_demo

EXAMPLE = "Example: paywall demo --port 9000 --data some/folder"


def demo(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder that keeps everything.")] = Path(".data"),
) -> None:
    """Open the sample newspaper with its local Stripe. A second start finds its data again."""
    run_demo(port=port, data=data)
