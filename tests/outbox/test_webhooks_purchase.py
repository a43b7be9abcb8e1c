"""A purchase as the newsroom's own systems hear of it, from the paid Checkout to the signed POST."""

import asyncio
import json

from standardwebhooks import Webhook

from service.clock import Clocks
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.docs.test_webhooks import EXAMPLES
from tests.outbox.webhook_receiver import Receiver, receiving
from tests.patience import wait_until
from tests.served import installation

TYPES = ["reader.created", "subscription.started"]


@on_sqlite
async def test_a_purchase_is_told_once_and_as_the_page_shows_it(settings: Settings) -> None:
    settings = settings.model_copy(update={"webhooks_allow_private_targets": True})
    # The real time: the library compares the timestamp with it.
    clocks = MovingClocks(Clocks().wall())

    def buy(receiver: Receiver) -> str:
        with installation(settings, clocks) as site:
            made = site.browser.post(
                "/v1/admin/webhook-endpoints",
                json={"url": receiver.url, "types": TYPES},
                headers={"Authorization": f"Bearer {site.api_key}"},
            )
            site.publish("a")
            session_id = site.subscribe()
            site.browser.get(f"/v1/checkout/return?session_id={session_id}")  # once more
            site.settle()
            # The service ends what it is sending after some seconds, whatever the machine needs.
            wait_until(lambda: len(receiver.received) >= len(TYPES), "both events are sent")
            secret: str = made.json()["secret"]
            return secret

    async with receiving() as receiver:
        secret = await asyncio.to_thread(buy, receiver)
    for request in receiver.received:
        Webhook(secret).verify(request.body, request.headers)
    events = {event["type"]: event for event in (json.loads(r.body) for r in receiver.received)}
    assert len(receiver.received) == len(events) == 2
    for name in TYPES:
        event, shown = events[name], EXAMPLES[name]
        assert set(event) == set(shown)
        assert set(event["data"]) == set(shown["data"])
        assert set(event["data"]["after"]) == set(shown["data"]["after"])
    started = events["subscription.started"]["data"]
    assert started["subject_id"].startswith("sub_")
    assert started["reader_id"] == events["reader.created"]["data"]["reader_id"]
    assert (started["before"], started["after"]["amount"]) == (None, 900)
