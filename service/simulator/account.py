"""The one account of the local Stripe."""

from service.simulator.operations import Call, operation
from service.simulator.store import JSON
from service.simulator.world import World

_KEY = "account"


def ensure_account(world: World) -> JSON:
    """The account, created with the world."""
    identifier = world.store.setting(_KEY)
    if identifier is not None:
        return world.fetch("account", identifier)
    identifier = world.new_id("acct", 16)
    world.store.set_setting(_KEY, identifier)
    return world.create(
        {
            "id": identifier,
            "object": "account",
            "business_profile": {
                "annual_revenue": None,
                "estimated_worker_count": None,
                "mcc": None,
                "name": "Local Stripe",
                "product_description": "A simulation; no real money moves here.",
                "support_address": None,
                "support_email": None,
                "support_phone": None,
                "support_url": None,
                "url": None,
            },
            "business_type": None,
            "capabilities": {"card_payments": "active", "transfers": "active"},
            "charges_enabled": True,
            "country": "US",
            "created": world.now,
            "default_currency": "usd",
            "details_submitted": True,
            "email": None,
            "payouts_enabled": True,
            "type": "standard",
        }
    )


def _retrieve(call: Call) -> JSON:
    return ensure_account(call.world)


def _retrieve_by_id(call: Call) -> JSON:
    return call.world.fetch("account", call.ids["account"])


OPERATIONS = (
    operation("GET", "/v1/account", _retrieve),
    operation("GET", "/v1/accounts/{account}", _retrieve_by_id),
)
