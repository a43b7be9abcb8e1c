"""Pausing the collection of a subscription's payments: it stays active, its invoices wait or lapse.

See https://docs.stripe.com/billing/subscriptions/pause-payment. A subscription with the status
`paused` is something else: subscriptions.py and resuming.py explain that.
"""

from service.simulator.billing.subscriptions import ENDED
from service.simulator.protocol.errors import invalid_parameter, missing_parameter
from service.simulator.protocol.forms import Params
from service.simulator.store import JSON
from service.simulator.world import World

_BEHAVIOURS = ("keep_as_draft", "mark_uncollectible", "void")


def requested_pause(world: World, params: Params, subscription: JSON) -> JSON:
    """The change that `pause_collection` asks for; empty, it takes a pause back.

    Raises:
        StripeError: 400, no behaviour, or an end that isn't in the future.
    """
    if not params.sent("pause_collection"):
        return {}
    world.store.unschedule(subscription["id"], "subscription.collect_again")
    if params.values["pause_collection"] == "":
        return {"pause_collection": None}
    pause = params.group("pause_collection")
    pause.refuse_unknown(frozenset({"behavior", "resumes_at"}))
    behaviour = pause.choice("behavior", _BEHAVIOURS)
    if behaviour is None:
        raise missing_parameter(pause.name("behavior"))
    resumes_at = pause.integer("resumes_at")
    if resumes_at is not None:
        if resumes_at <= world.now:
            raise invalid_parameter(pause.name("resumes_at"), "resumes_at must lie in the future.")
        world.schedule(resumes_at, "subscription.collect_again", subscription["id"])
    return {"pause_collection": {"behavior": behaviour, "resumes_at": resumes_at}}


def handle_collect_again(world: World, identifier: str) -> None:
    """The agenda's `subscription.collect_again`: invoices made from now on are collected."""
    subscription = world.fetch("subscription", identifier)
    if subscription["status"] not in ENDED:
        changes = {"pause_collection": None}
        world.update(subscription, changes, "customer.subscription.updated")


HANDLERS = {"subscription.collect_again": handle_collect_again}
