"""When publishers' API keys were used last."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update

from service.db.session import Database

if TYPE_CHECKING:
    from service.db.tables import ApiKey

USE_IS_NOTED_EVERY = timedelta(minutes=1)


class KeyUses:
    """When keys were used last: noted in memory, written by a task, so that no request waits for it.

    `used_at` is exact to a minute; a use noted just before a crash is lost.
    """

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}

    def note(self, key: "ApiKey", now: datetime) -> None:
        """`now` is wall time. Nothing is noted where less than a minute has passed."""
        if key.used_at is None or now - key.used_at >= USE_IS_NOTED_EVERY:
            self._noted[key.prefix] = now

    async def flush(self, database: Database) -> None:
        """Write what is noted; where the database is away, it stays noted."""
        noted = dict(self._noted)
        if not noted:
            return
        from service.db.tables import ApiKey  # noqa: PLC0415 not mapped by a process that no program asks

        async with database.transaction() as session:
            for prefix, used_at in sorted(noted.items()):
                await session.execute(
                    update(ApiKey)
                    .where(
                        ApiKey.prefix == prefix,
                        ApiKey.used_at.is_(None) | (ApiKey.used_at < used_at),
                    )
                    .values(used_at=used_at)
                )
        for prefix, used_at in noted.items():
            if self._noted.get(prefix) == used_at:
                del self._noted[prefix]
