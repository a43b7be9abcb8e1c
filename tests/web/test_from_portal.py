"""The account on the way back from Stripe's portal, before any webhook has come."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from service.payments.reach import Payments
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.running import exchange
from tests.served import Installation, installation
from tests.stripe_at_hand import gateway_to
from tests.web.conftest import Newspaper

pytestmark = on_sqlite

BACK = "/account?from=portal"


@pytest.fixture
def made(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    """An installation that Stripe tells nothing by itself."""
    with installation(settings, clocks, webhooks=False) as made:
        made.publish("a")
        made.subscribe()
        yield made


def press(made: Installation, action: str) -> None:
    """Go to the portal from the account and press one of its buttons."""
    [subscription] = made.simulator.world.store.find("subscription", [])
    portal = made.browser.post("/account/portal").headers["Location"]
    assert f'href="{made.url}{BACK}"' in httpx2.get(portal, timeout=PATIENCE).text
    form = {"subscription": subscription["id"], "action": action}
    assert httpx2.post(portal, data=form, timeout=PATIENCE).status_code == 303


def test_the_account_knows_at_once_what_the_portal_did(made: Installation) -> None:
    press(made, "cancel")
    assert "Renews on 10 April 2026" in made.browser.get("/account").text
    back = made.browser.get(BACK)
    assert (back.status_code, back.headers["Location"]) == (303, "/account")
    assert back.headers["Cache-Control"] == "private, no-store"
    assert "Ends on 10 April 2026" in made.browser.get("/account").text


def test_a_visit_asks_once(made: Installation) -> None:
    press(made, "cancel")
    made.browser.get(BACK)
    press(made, "resume")
    for _ in range(2):  # reloading where the visit ended asks nobody
        assert "Ends on 10 April 2026" in made.browser.get("/account").text
    made.browser.get(BACK)
    assert "Renews on 10 April 2026" in made.browser.get("/account").text


def test_what_is_no_visit_asks_nobody(made: Installation) -> None:
    press(made, "cancel")
    ahead = made.browser.get(BACK, headers={"Sec-Purpose": "prefetch;prerender"})
    assert (ahead.status_code, "Renews on" in ahead.text) == (200, True)
    assert made.browser.head(BACK).status_code == 200
    assert "Renews on" in made.browser.get("/account?from=elsewhere").text
    with made.new_browser() as stranger:
        assert "Read everything" in stranger.get(BACK).text
    assert "Renews on" in made.browser.get("/account").text


async def account_after_the_portal(newspaper: Newspaper) -> str:
    back = await newspaper.browser.get(BACK)
    assert (back.status_code, back.headers["Location"]) == (303, "/account")
    return (await newspaper.browser.get("/account")).text


async def test_without_payments_or_stripe_the_page_tells_what_is_stored(
    newspaper: Newspaper,
) -> None:
    await newspaper.subscriber()
    assert "Renews on" in await account_after_the_portal(newspaper)
    gateway = gateway_to(f"http://127.0.0.1:{free_port()}")
    exchange(newspaper.app, Payments(gateway))
    assert "Renews on" in await account_after_the_portal(newspaper)
    await gateway.close()


@asynccontextmanager
async def silence() -> AsyncIterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)
        yield mute


async def test_a_silent_stripe_delays_the_page_for_its_time(newspaper: Newspaper) -> None:
    await newspaper.subscriber()
    settings = newspaper.settings.model_copy(update={"stripe_timeout_seconds": 0.1})
    async with silence() as mute:
        gateway = gateway_to(f"http://127.0.0.1:{mute.getsockname()[1]}")
        exchange(newspaper.app, settings, Payments(gateway))
        began = time.monotonic()
        assert "Renews on" in await account_after_the_portal(newspaper)
        assert time.monotonic() - began >= 0.1
        await gateway.close()


FAILED = b"HTTP/1.1 500 Failed\r\nStripe-Should-Retry: false\r\nContent-Length: 0\r\n\r\n"


async def test_a_visit_that_waits_for_stripe_holds_no_writer(newspaper: Newspaper) -> None:
    await newspaper.subscriber()
    settings = newspaper.settings.model_copy(update={"stripe_timeout_seconds": PATIENCE})
    async with silence() as mute:
        gateway = gateway_to(f"http://127.0.0.1:{mute.getsockname()[1]}")
        exchange(newspaper.app, settings, Payments(gateway))
        visit = asyncio.create_task(account_after_the_portal(newspaper))
        loop = asyncio.get_running_loop()
        asking, _ = await loop.sock_accept(mute)
        async with newspaper.database.transaction():
            assert not visit.done()
        await loop.sock_sendall(asking, FAILED)
        assert "Renews on" in await visit
        asking.close()
        await gateway.close()
