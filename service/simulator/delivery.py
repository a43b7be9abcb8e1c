"""Signed webhooks: at least once, retried with back-off, in no promised order.

Signatures follow https://docs.stripe.com/webhooks#verify-manually and carry wall time, because
receivers compare their age with their own clock.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import httpx

from service.simulator.events.chaos import Chaos
from service.simulator.events.endpoints import older_secrets
from service.simulator.events.recent import with_pending
from service.simulator.protocol.expand import public
from service.simulator.world import World

_GATHER = 0.2


@dataclass(frozen=True)
class DeliveryRules:
    """Seconds between the tries of one delivery, how long a try may take, how many at once."""

    retry_after: Sequence[float] = (1, 5, 30, 120, 600, 3600, 3600, 3600, 3600)
    timeout: float = 10.0
    concurrency: int = 8


@dataclass(frozen=True)
class _Pending:
    seq: int
    event: str
    endpoint: str
    attempts: int


def signature(payload: bytes, secret: str, timestamp: int, *older: str) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 over `timestamp.payload`, once a secret."""
    signed = f"{timestamp}.".encode() + payload
    digests = [
        hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in (secret, *older)
    ]
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


class Courier:
    """Delivers what the world has queued. Lives on one event loop; `wake` may come from any."""

    def __init__(self, world: World, rules: DeliveryRules, chaos: Chaos) -> None:
        """Nothing is sent before `start` or `deliver_pending`."""
        self._world = world
        self._rules = rules
        self._chaos = chaos
        self._tries: dict[int, asyncio.Task[bool]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._background: asyncio.Task[None] | None = None
        self._stopped = False
        self._woken = False
        self._trust = httpx.create_ssl_context()

    def wake(self) -> None:
        """Something was queued: look now."""
        self._woken = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def start(self) -> None:
        """Deliver in the background from now on."""
        self._stopped = False
        if self._background is None:
            self._loop = asyncio.get_running_loop()
            self._background = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once; what was under way is tried again after the next start."""
        self._stopped = True
        tasks: list[asyncio.Task[None] | asyncio.Task[bool]] = list(self._tries.values())
        if self._background is not None:
            tasks.append(self._background)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._background = self._loop = None

    async def deliver_pending(self) -> int:
        """Deliver all that is due, and what the receivers cause by that.

        Returns:
            How many deliveries were accepted.
        """
        accepted = 0
        async with self._client() as client:
            while not self._stopped and (
                tries := self._begin(client) or list(self._tries.values())
            ):
                for taken in await asyncio.gather(*tries, return_exceptions=True):
                    if isinstance(taken, Exception):
                        raise taken
                    accepted += taken is True  # else refused, or cancelled by `stop`
        return accepted

    def _client(self) -> httpx.AsyncClient:
        # A receiver may close an idle connection just as it is used again: that try would fail.
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncClient(timeout=self._rules.timeout, verify=self._trust, limits=limits)

    async def _run(self) -> None:
        async with self._client() as client:
            while True:
                self._news.clear()
                self._world.catch_up()
                if self._woken and self._chaos.rules and self._chaos.rules.shuffle:
                    self._woken = False
                    await asyncio.sleep(_GATHER)  # alone, a delivery could overtake nothing
                self._begin(client)
                # Not wait_for: on Python 3.11 it may swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._news.wait()

    def _pause(self) -> float:
        """Seconds until the next try is due, at most one: world time may bring events."""
        (due,) = self._world.store.connection.execute("SELECT min(due) FROM deliveries").fetchone()
        if due is None or self._tries:
            return 1.0
        return float(min(1.0, max(0.01, due - self._world.wall())))

    def _begin(self, client: httpx.AsyncClient) -> list[asyncio.Task[bool]]:
        """Start tries for what is due, as far as there is room; returns those started."""
        # One at a time where the order was drawn: at once, the network would decide on it.
        room = (1 if self._chaos.rules else self._rules.concurrency) - len(self._tries)
        if room <= 0:
            return []
        rows = self._world.store.connection.execute(
            "SELECT seq, event, endpoint, attempts FROM deliveries WHERE due <= ?"
            " ORDER BY due, seq LIMIT ?",
            (self._world.wall(), room + len(self._tries)),
        ).fetchall()
        started: list[asyncio.Task[bool]] = []
        for pending in (_Pending(*row) for row in rows):
            if pending.seq in self._tries or len(started) == room:
                continue
            task = asyncio.get_running_loop().create_task(self._try(client, pending))
            self._tries[pending.seq] = task
            task.add_done_callback(partial(self._finished, pending.seq))
            started.append(task)
        return started

    def _finished(self, seq: int, _: asyncio.Task[bool]) -> None:
        self._tries.pop(seq, None)
        self._news.set()

    async def _try(self, client: httpx.AsyncClient, pending: _Pending) -> bool:
        event = self._world.store.get(pending.event)
        endpoint = self._world.store.get(pending.endpoint)
        if event is None or endpoint is None or endpoint["status"] != "enabled":
            self._settle(pending, accepted=True)
            return False
        shown = public(self._world.store, with_pending(self._world, event))
        payload = json.dumps(shown, indent=2).encode()
        stamp = int(self._world.wall())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(
                payload, endpoint["_sim"]["secret"], stamp, *older_secrets(self._world, endpoint)
            ),
            "User-Agent": "Stripe/1.0 (local Stripe, no real money)",
        }
        try:
            answer = await client.post(
                endpoint["url"], content=payload, headers=headers, follow_redirects=False
            )
            accepted = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            accepted = False
        self._settle(pending, accepted=accepted)
        return accepted

    def _settle(self, pending: _Pending, *, accepted: bool) -> None:
        """Accepted deliveries leave the queue; others wait longer each time, then give up.

        One given up stays queued without a time, so that the event shows it as undelivered.
        """
        connection = self._world.store.connection
        if accepted:
            connection.execute("DELETE FROM deliveries WHERE seq = ?", (pending.seq,))
            return
        waits = self._rules.retry_after
        due = (
            self._world.wall() + waits[pending.attempts] if pending.attempts < len(waits) else None
        )
        connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, due = ? WHERE seq = ?",
            (due, pending.seq),
        )
