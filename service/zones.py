"""Time zones by their IANA names. On the ground, for settings and reports alike."""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_PLACELESS = frozenset({"Factory"})
"""In the database's list for machines that nobody has set up: it is no zone of anybody's."""


@cache
def _names() -> frozenset[str]:
    listed = files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - _PLACELESS


def zone_named(name: str) -> ZoneInfo:
    """The zone of this name. ValueError: the database of zones doesn't have it.

    Python takes the names of a machine's files besides, such as `localtime` and `posix/UTC`: what they mean depends on
    the machine, and other processes and PostgreSQL don't know them.
    """
    if name not in _names():
        raise ValueError(f"{name!r} is no IANA time zone, such as Europe/Lisbon")
    return ZoneInfo(name)
