"""Webhook endpoints as operators change them, with their audit rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.context import Context
from service.db.tables import WebhookDelivery, WebhookEndpoint
from service.identity.audit import record
from service.identity.callers import Actor
from service.identity.secrets import derived_key
from service.outbox import endpoints
from service.outbox.event_types import EVENT_TYPES
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import TargetRefused, Targets
from service.outbox.webhooks import ALL_TYPES, put_test, replay_delivery, unknown_types
from service.problems import Problem, invalid_field
from service.settings import Settings

MOST_ENDPOINTS = 20
LONGEST_DESCRIPTION = 200


async def make_endpoint(
    context: Context,
    targets: Targets,
    actor: Actor,
    *,
    url: str,
    types: Sequence[str],
    description: str,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint with its secret. Problem `invalid-request`, also for a URL to which nothing goes."""
    await _check_target(targets, url)  # it looks the name up: before the transaction begins
    async with context.database.transaction() as session:
        changes = Endpoints(session, actor, context.clocks, context.settings)
        return await changes.create(url=url, types=types, description=description)


async def _check_target(targets: Targets, url: str) -> None:
    try:
        await targets.addresses_of(targets.parse(url))
    except TargetRefused as error:
        raise invalid_field("body.url", str(error)) from error


@dataclass(frozen=True)
class Endpoints:
    """Changes by one actor, in one transaction."""

    session: AsyncSession
    actor: Actor
    clocks: Clocks
    settings: Settings

    async def create(
        self, *, url: str, types: Sequence[str], description: str
    ) -> tuple[WebhookEndpoint, str]:
        """A new endpoint with its secret, whose URL was checked. Problem `invalid-request`."""
        _check_types(types)
        if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
            raise invalid_field(
                "body.description",
                f"Describe it in at most {LONGEST_DESCRIPTION} characters of one line.",
            )
        if await endpoints.count_endpoints(self.session) >= MOST_ENDPOINTS:
            raise invalid_field(
                "body.url", f"There are {MOST_ENDPOINTS} endpoints. Delete one first."
            )
        made, secret = await endpoints.create_endpoint(
            self.session, url=url, types=types, description=description,
            sealing_key=self._sealing_key, now=self.clocks.wall(),
        )  # fmt: skip
        await self._record("create", made.id, None, {"url": url, "types": made.types})
        return made, secret

    async def change(
        self,
        endpoint_id: str,
        *,
        types: Sequence[str] | None = None,
        disabled: bool | None = None,
    ) -> WebhookEndpoint:
        """What is None stays. Problems `not-found`, `invalid-request`."""
        endpoint = await self._endpoint(endpoint_id)
        if types is not None and sorted(set(types)) != endpoint.types:
            _check_types(types)
            before, endpoint.types = endpoint.types, sorted(set(types))
            await self._record("change", endpoint_id, {"types": before}, {"types": endpoint.types})
        if disabled is not None and disabled != (endpoint.disabled_at is not None):
            endpoint.disabled_at = self.clocks.wall() if disabled else None
            await self._record("disable" if disabled else "enable", endpoint_id)
        await self.session.flush()
        return endpoint

    async def rotate(self, endpoint_id: str) -> tuple[WebhookEndpoint, str]:
        """A new secret; the former one signs for a day more. Problem `not-found`."""
        endpoint = await self._endpoint(endpoint_id)
        secret = await endpoints.rotate_secret(
            self.session, endpoint, sealing_key=self._sealing_key, now=self.clocks.wall()
        )
        await self._record("rotate-secret", endpoint_id)
        return endpoint, secret

    async def delete(self, endpoint_id: str) -> None:
        """Delete it with its deliveries. Problem `not-found`."""
        endpoint = await self._endpoint(endpoint_id)
        before = {"url": endpoint.url, "types": endpoint.types}
        await endpoints.delete_endpoint(self.session, endpoint)
        await self._record("delete", endpoint_id, before)

    async def test(self, endpoint_id: str) -> WebhookDelivery:
        """Send an event that says nothing. Problems `not-found`, `invalid-request`."""
        endpoint = await self._endpoint(endpoint_id)
        _check_enabled(endpoint)
        await self._record("test", endpoint_id)
        return await put_test(self.session, endpoint_id, self.clocks.wall())

    async def replay(self, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """Send one delivery again, whatever became of it. Problems `not-found`, `invalid-request`."""
        endpoint = await self._endpoint(endpoint_id)
        delivery = await self.session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if delivery is None or delivery.endpoint_id != endpoint_id:
            raise Problem("not-found", "There is no such delivery. Look it up in the list.")
        _check_enabled(endpoint)
        before = {"status": delivery.status}
        await replay_delivery(self.session, delivery, self.clocks.wall())
        await self._record("replay", endpoint_id, before, {"delivery": delivery_id})
        return delivery

    @property
    def _sealing_key(self) -> bytes:
        return derived_key(self.settings, SEALED_FOR)

    async def _endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        return _known(await endpoints.locked_endpoint(self.session, endpoint_id))

    async def _record(
        self,
        what: str,
        endpoint_id: str,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        await record(
            self.session,
            actor=self.actor.label,
            action=f"webhook-endpoint.{what}",
            target=endpoint_id,
            before=before,
            after=after,
            now=self.clocks.business(),
        )


async def all_endpoints(session: AsyncSession) -> list[WebhookEndpoint]:
    """Every endpoint, the oldest first; there are few."""
    place = (WebhookEndpoint.created_at, WebhookEndpoint.id)
    return list(await session.scalars(select(WebhookEndpoint).order_by(*place)))


async def known_endpoint(session: AsyncSession, endpoint_id: str) -> WebhookEndpoint:
    """Problem `not-found`."""
    return _known(await session.get(WebhookEndpoint, endpoint_id))


def _known(endpoint: WebhookEndpoint | None) -> WebhookEndpoint:
    if endpoint is None:
        raise Problem("not-found", "There is no such endpoint. Look it up in the list.")
    return endpoint


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise Problem(
            "invalid-request", "The endpoint is disabled, so nothing is sent. Enable it first."
        )


def _check_types(types: Sequence[str]) -> None:
    unknown = unknown_types(types, EVENT_TYPES)
    if unknown or not types:
        told = f"Unknown: {', '.join(unknown)}. " if unknown else ""
        raise invalid_field(
            "body.types", f"{told}Choose types of events, or {ALL_TYPES} for all of them."
        )
