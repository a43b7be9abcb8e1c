"""What stands around every newspaper page, as the application is given it."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request
from markupsafe import Markup


@dataclass(frozen=True)
class Imprint:
    """What the publication says of itself."""

    tagline: str = ""
    about: str = ""


@dataclass(frozen=True)
class Frame:
    """What every newspaper page shows; `bar` makes something on top, such as the demo's clock."""

    imprint: Imprint = Imprint()
    bar: Callable[[Request], Markup] | None = None
