"""A list that is looked at before it is loaded: an operator who loads it is told who changed its things in between."""

from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from service.grants.csv_file import ListRefused
from service.identity.meanwhile import Changed, changed_since, read_seen, seen_at
from service.problems import Problem

_MOST_NAMED = 5


class ListChanged(ListRefused):
    """The list would do something else by now than was looked at. `found` says who has changed what."""

    def __init__(self, found: Changed) -> None:
        super().__init__([_CHANGED])
        self.found = found

    def sentence(self, zone: ZoneInfo) -> str:
        """Who changed what and when, and what to do on a page."""
        if self.found.by is None or self.found.at is None:
            return f"{_CHANGED} Check the changes below."
        at = self.found.at.astimezone(zone)
        return (
            f"{self.found.by} has changed {_named(self.found.targets)} in the meantime, "
            f"{at:%Y-%m-%d %H:%M}. Check the changes below."
        )

    def problem(self) -> Problem:
        """Problem `changed-meanwhile`."""
        return Problem(
            "changed-meanwhile",
            f"{_CHANGED} Repeat the dry run, and send the list with its new ETag.",
            changed=list(self.found.targets),
            by=self.found.by,
            at=self.found.at.isoformat() if self.found.at is not None else None,
        )


_CHANGED = "The list no longer does what its preview said."


def stamp_of_list(does: object, now: datetime) -> str:
    """What is seen of a list that `does` this: what it changes, from what."""
    return seen_at(sha256(repr(does).encode()).hexdigest()[:16], now)


async def check_shown(
    session: AsyncSession, stamp: str, seen: str | None, entries: ColumnElement[bool]
) -> None:
    """Raise ListChanged where the list's stamp isn't the one that was `seen`; None: nobody looked.

    `entries` of the audit log are those about the list's things.
    """
    if seen is not None and read_seen(stamp)[0] != _read(seen)[0]:
        await refuse_changed(session, seen, entries)


async def refuse_changed(
    session: AsyncSession, seen: str | None, entries: ColumnElement[bool]
) -> None:
    """Raise ListChanged with what the entries say, where somebody looked at the list and wants that alone."""
    if seen is None or seen == "*":
        return
    raise ListChanged(await changed_since(session, entries, _read(seen)[1]))


def _read(seen: str) -> tuple[str, datetime | None]:
    return read_seen(seen.removeprefix('"').removesuffix('"'))


def _named(targets: tuple[str, ...]) -> str:
    told, more = ", ".join(targets[:_MOST_NAMED]), len(targets) - _MOST_NAMED
    return f"{told} and {more} more" if more > 0 else told
