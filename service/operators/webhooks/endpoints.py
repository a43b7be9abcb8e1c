"""Webhook endpoints as operators change them, with their audit rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.tables import WebhookDelivery, WebhookEndpoint
from service.identity.audit import Change, change_by
from service.identity.callers import Actor
from service.identity.meanwhile import check_unchanged
from service.identity.secrets import derived_key
from service.operators.webhooks.deliveries import Sending, sending_of
from service.outbox import endpoints
from service.outbox.event_types import EVENT_TYPES
from service.outbox.webhook_signing import SEALED_FOR
from service.outbox.webhook_targets import AppTargets, TargetRefused, Targets
from service.outbox.webhooks import ALL_TYPES, put_test, replay_delivery, unknown_types
from service.problems import Problem, invalid_field

MOST_ENDPOINTS = 20
LONGEST_DESCRIPTION = 200


@dataclass(frozen=True)
class Endpoints:
    """Changes, each in a transaction of its own.

    Problems: `not-found` for an endpoint that there isn't, and `invalid-request`.
    """

    context: Context
    targets: Targets

    async def create(
        self, actor: Actor, *, url: str, types: Sequence[str], description: str
    ) -> tuple[WebhookEndpoint, str]:
        """A new endpoint with its secret. `invalid-request` also for a URL to which nothing goes."""
        await self._check_target(url)  # it looks the name up: before the transaction begins
        _check_types(types)
        _check_description(description)
        async with change_by(self.context, actor.label) as change:
            if await endpoints.count_endpoints(change.session) >= MOST_ENDPOINTS:
                raise invalid_field(
                    "body.url", f"There are {MOST_ENDPOINTS} endpoints. Delete one first."
                )
            made, secret = await endpoints.create_endpoint(
                change.session, url=url, types=types, description=description,
                sealing_key=self._sealing_key, now=change.clocks.wall(),
            )  # fmt: skip
            shown = {"url": url, "types": made.types}
            await change.record("webhook-endpoint.create", made.id, after=shown)
        return made, secret

    async def change(
        self,
        actor: Actor,
        endpoint_id: str,
        *,
        types: Sequence[str] | None = None,
        disabled: bool | None = None,
        seen: str | None = None,
    ) -> WebhookEndpoint:
        """What is None stays. Problem `changed-meanwhile`."""
        async with change_by(self.context, actor.label) as change:
            endpoint = await _locked(change, endpoint_id, seen)
            if types is not None and sorted(set(types)) != endpoint.types:
                _check_types(types)
                await _set_types(change, endpoint, sorted(set(types)))
            if disabled is not None and disabled != (endpoint.disabled_at is not None):
                endpoint.disabled_at = change.clocks.wall() if disabled else None
                action = f"webhook-endpoint.{'disable' if disabled else 'enable'}"
                await change.record(action, endpoint_id)
        return endpoint

    async def rotate(
        self, actor: Actor, endpoint_id: str, *, seen: str | None = None
    ) -> tuple[WebhookEndpoint, str]:
        """A new secret; the former one signs for a day more. Problem `changed-meanwhile`."""
        async with change_by(self.context, actor.label) as change:
            endpoint = await _locked(change, endpoint_id, seen)
            secret = await endpoints.rotate_secret(
                change.session, endpoint, sealing_key=self._sealing_key, now=change.clocks.wall()
            )
            await change.record("webhook-endpoint.rotate-secret", endpoint_id)
        return endpoint, secret

    async def delete(self, actor: Actor, endpoint_id: str, *, seen: str | None = None) -> None:
        """Delete it with its deliveries. Problem `changed-meanwhile`."""
        async with change_by(self.context, actor.label) as change:
            endpoint = await _locked(change, endpoint_id, seen)
            shown = {"url": endpoint.url, "types": endpoint.types}
            await endpoints.delete_endpoint(change.session, endpoint)
            await change.record("webhook-endpoint.delete", endpoint_id, before=shown)

    async def test(self, actor: Actor, endpoint_id: str) -> Sending:
        """Send an event that says nothing."""
        async with change_by(self.context, actor.label) as change:
            _check_enabled(await _locked(change, endpoint_id))
            await change.record("webhook-endpoint.test", endpoint_id)
            delivery = await put_test(change.session, endpoint_id, change.clocks.wall())
            return await sending_of(change.session, delivery)

    async def replay(self, actor: Actor, endpoint_id: str, delivery_id: str) -> Sending:
        """Send one delivery again, whatever became of it."""
        async with change_by(self.context, actor.label) as change:
            endpoint = await _locked(change, endpoint_id)
            delivery = await change.session.get(
                WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True
            )
            if delivery is None or delivery.endpoint_id != endpoint_id:
                raise Problem("not-found", "Delivery not found. Check the list.")
            _check_enabled(endpoint)
            before = {"status": delivery.status}
            await replay_delivery(change.session, delivery, change.clocks.wall())
            await change.record(
                "webhook-endpoint.replay", endpoint_id,
                before=before, after={"delivery": delivery_id},
            )  # fmt: skip
            return await sending_of(change.session, delivery)

    async def _check_target(self, url: str) -> None:
        try:
            await self.targets.addresses_of(self.targets.parse(url))
        except TargetRefused as error:
            raise invalid_field("body.url", str(error)) from error

    @property
    def _sealing_key(self) -> bytes:
        return derived_key(self.context.settings, SEALED_FOR)


async def endpoints_of(context: AppContext, targets: AppTargets) -> Endpoints:
    return Endpoints(context, targets)


AppEndpoints = Annotated[Endpoints, Depends(endpoints_of)]


def facts_of(endpoint: WebhookEndpoint) -> dict[str, object]:
    """What can be changed of an endpoint."""
    until = endpoint.old_secret_until
    return {
        "types": endpoint.types, "disabled": endpoint.disabled_at is not None,
        "old_secret_until": until.isoformat() if until is not None else None,
    }  # fmt: skip


_CHANGING = (
    "webhook-endpoint.change", "webhook-endpoint.disable", "webhook-endpoint.enable",
    "webhook-endpoint.rotate-secret",
)  # fmt: skip
"""Actions that change what `facts_of` has."""


async def _locked(change: Change, endpoint_id: str, seen: str | None = None) -> WebhookEndpoint:
    found = _known(await endpoints.locked_endpoint(change.session, endpoint_id))
    await check_unchanged(
        change.session, facts_of(found), seen, actions=_CHANGING, target=endpoint_id
    )
    return found


async def _set_types(change: Change, endpoint: WebhookEndpoint, types: list[str]) -> None:
    before, endpoint.types = endpoint.types, types
    await change.record(
        "webhook-endpoint.change", endpoint.id, before={"types": before}, after={"types": types}
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
        raise Problem("not-found", "Endpoint not found. Check the list.")
    return endpoint


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise Problem(
            "invalid-request", "The endpoint is disabled, so nothing is sent. Enable it first."
        )


def _check_description(description: str) -> None:
    if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
        raise invalid_field(
            "body.description",
            f"Use at most {LONGEST_DESCRIPTION} characters, on one line.",
        )


def _check_types(types: Sequence[str]) -> None:
    unknown = unknown_types(types, EVENT_TYPES)
    if unknown or not types:
        told = f"Unknown: {', '.join(unknown)}. " if unknown else ""
        raise invalid_field(
            "body.types", f"{told}Choose types of events, or {ALL_TYPES} for all of them."
        )
