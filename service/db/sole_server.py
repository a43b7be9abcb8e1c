"""At most one serving process a SQLite file (docs/decisions/two-databases-no-redis.md)."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


class AlreadyServed(Exception):
    """Another process serves this database; the message says what to do."""


@contextmanager
def sole_server(database_url: str) -> Iterator[None]:
    """Hold the database's lock while serving; PostgreSQL needs none. AlreadyServed: it is taken.

    The operating system lets go of the lock when the process ends, in whatever way.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    # Resolved, so that two names of one file (a link, a relative path) share its lock.
    path = Path(f"{Path(url.database).resolve()}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(
                f"Another process serves {url.database} already, and SQLite takes one only. "
                "Stop that one, choose another database, or use PostgreSQL."
            ) from None
        yield
