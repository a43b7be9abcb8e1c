"""Posting to endpoints. What connects is imported when there is something to send: many never send anything."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.outbox.webhook_answer import Answer
from service.outbox.webhook_targets import Targets

if TYPE_CHECKING:
    from service.outbox.webhook_connection import Connection

PATIENCE_SECONDS = 10.0
"""For all of it: looking up, connecting, sending, and the answer."""


@dataclass(frozen=True)
class Poster:
    """Posts to URLs that `targets` allows. `patience` in seconds is for one whole try."""

    targets: Targets
    patience: float = PATIENCE_SECONDS
    tls: ssl.SSLContext | None = None
    """Whose certificates are believed; None: those of the usual authorities."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post the body; the answer, whatever its status. Redirects aren't followed.

        TargetRefused where the URL isn't allowed now, NoAnswer where nothing came back.
        """
        connection = await asyncio.to_thread(self._connection)
        return await connection.post(url, body, headers)

    def _connection(self) -> "Connection":
        from service.outbox.webhook_connection import Connection  # noqa: PLC0415 see above

        return Connection(self.targets, self.patience, self.tls)
