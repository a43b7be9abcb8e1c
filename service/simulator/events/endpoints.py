"""Webhook endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.simulator.operations import Call, listing, operation, page
from service.simulator.protocol.errors import missing_parameter, not_simulated
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON, Condition
from service.simulator.world import API_VERSION, World


@dataclass(frozen=True)
class WebhookTarget:
    """An endpoint that a deployment knows from the start; it gets these types of event, `*` every."""

    url: str
    secret: str
    api_version: str | None = API_VERSION
    events: tuple[str, ...] = ("*",)


def register_targets(world: World, targets: Sequence[WebhookTarget]) -> None:
    """Create the endpoints, or bring those of the same URL up to date.

    Endpoints registered earlier and named no more are gone; what they haven't accepted goes to the
    first target, because a receiver that moved to another port is still owed it.
    """
    registered = []
    for target in targets:
        found = world.store.find("webhook_endpoint", [Condition("url", "=", target.url)], limit=1)
        endpoint = found[0] if found else _endpoint(world, target.url, target.secret)
        endpoint |= {
            "api_version": target.api_version,
            "enabled_events": list(target.events),
            "status": "enabled",
            "_sim": {"secret": target.secret, "registered": True},
        }
        world.store.put(endpoint)
        registered.append(endpoint["id"])
    for endpoint in world.store.find("webhook_endpoint", [Condition("_sim.registered", "=", True)]):
        if endpoint["id"] not in registered:
            if registered:
                world.store.connection.execute(
                    "UPDATE deliveries SET endpoint = ? WHERE endpoint = ?",
                    (registered[0], endpoint["id"]),
                )
            _forget(world, endpoint["id"])


def _forget(world: World, identifier: str) -> None:
    world.store.drop(identifier)
    world.store.connection.execute("DELETE FROM deliveries WHERE endpoint = ?", (identifier,))


def _endpoint(world: World, url: str, secret: str) -> JSON:
    return {
        "id": world.new_id("we", 24),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": world.now,
        "description": None,
        "enabled_events": ["*"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_sim": {"secret": secret},
    }


def older_secrets(world: World, endpoint: JSON) -> list[str]:
    """What an endpoint's events are signed with besides its secret: the one before, for a while."""
    old = endpoint["_sim"].get("old")
    return [old["secret"]] if old and world.now < old["until"] else []


def roll_secret(world: World, identifier: str, keep_for: int) -> str:
    """Give an endpoint a new secret; the old one signs too for `keep_for` seconds of world time.

    Returns:
        The new secret.
    """
    endpoint = world.fetch("webhook_endpoint", identifier)
    ours = endpoint["_sim"]
    secret = world.new_id("whsec", 32)
    old = {"secret": ours["secret"], "until": world.now + keep_for}
    world.update(endpoint, {"_sim": {**ours, "secret": secret, "old": old}})
    return secret


def _url(params: Params) -> str:
    params.required("url")
    return params.address("url") or ""


def _wanted(params: Params) -> list[str]:
    events = params.texts("enabled_events")
    if not events:
        raise missing_parameter("enabled_events")
    return events


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    version = params.text("api_version")
    if version not in (None, API_VERSION):
        raise not_simulated("api_version", f"API versions other than {API_VERSION}")
    events = _wanted(params)
    secret = world.new_id("whsec", 32)
    endpoint = _endpoint(world, _url(params), secret) | {
        "api_version": version,
        "description": params.text("description"),
        "enabled_events": events,
        "metadata": params.metadata(),
    }
    world.create(endpoint)
    return {**endpoint, "secret": secret}


def _retrieve(call: Call) -> JSON:
    return call.world.fetch("webhook_endpoint", call.ids["webhook_endpoint"])


def _update(call: Call) -> JSON:
    params = call.params
    endpoint = _retrieve(call)
    changes: JSON = {}
    if params.sent("url"):
        changes["url"] = _url(params)
    if params.sent("enabled_events"):
        changes["enabled_events"] = _wanted(params)
    if params.sent("description"):
        changes["description"] = params.text("description")
    if params.sent("disabled"):
        changes["status"] = "disabled" if params.boolean("disabled") else "enabled"
    if params.sent("metadata"):
        changes["metadata"] = params.metadata(endpoint["metadata"])
    call.world.update(endpoint, changes)
    return endpoint


def _delete(call: Call) -> JSON:
    endpoint = _retrieve(call)
    _forget(call.world, endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _list(call: Call) -> JSON:
    return page(call, "webhook_endpoint", [])


_FIELDS = "description enabled_events metadata url"
OPERATIONS = (
    operation("POST", "/v1/webhook_endpoints", _create, f"api_version {_FIELDS}"),
    operation("GET", "/v1/webhook_endpoints/{webhook_endpoint}", _retrieve),
    operation("POST", "/v1/webhook_endpoints/{webhook_endpoint}", _update, f"disabled {_FIELDS}"),
    operation("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", _delete),
    listing("/v1/webhook_endpoints", _list),
)
