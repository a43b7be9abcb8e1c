"""Seats on a running site: bought by number, given and taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx2

from service.db.tables import Mail
from service.settings import Settings
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk

TEAM: dict[str, Any] = {"amount": 500, "currency": "EUR", "interval": "month", "most_seats": 10}
ADMIN = "/v1/admin/seats"


@contextmanager
def site_with_seats(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """A site that can mail, and sells a month by the seat; three seats are bought by the site's browser."""
    mailing = settings.model_copy(update={"mail_from": "Gazette <hello@gazette.example.org>"})
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        sell(made, "team", **TEAM)
        made.subscribe("team", seats=3)
        yield made


def invite(site: Installation, email: str | None = None) -> httpx2.Response:
    return site.browser.post("/v1/me/seats", json={"email": email} if email else {})


def take(seat: httpx2.Response, browser: httpx2.Client) -> httpx2.Response:
    assert seat.status_code == 201, seat.text
    token = seat.json()["url"].rpartition("/")[2]
    return browser.post(f"/v1/seats/{token}/take")


def seats(site: Installation) -> dict[str, Any]:
    found: dict[str, Any] = site.browser.get("/v1/me/seats").json()
    return found


def set_number(site: Installation, number: int) -> None:
    """As it is changed at Stripe."""
    (subscription,) = site.simulator.world.store.find("subscription", [])
    (item,) = subscription["items"]["data"]
    site.clocks.travel(timedelta(minutes=1))
    with sdk(site.stripe_url) as stripe:
        stripe.subscriptions.update(
            subscription["id"], {"items": [{"id": item["id"], "quantity": number}]}
        )
    site.settle()


def lost_by(site: Installation) -> list[str]:
    """Whom a mail told that they lost their seat, in the order of the mails."""
    found = [each for each in rows(site, Mail) if each.kind == "seat-lost"]
    return [each.recipient for each in sorted(found, key=lambda mail: mail.created_at)]
