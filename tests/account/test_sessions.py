"""A reader's session: it lives by use, ends by idleness or age, and ends at once on signing out."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(settings, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        made.subscribe("yearly")
        yield made


def token_status(site: Installation) -> int:
    return site.browser.post("/v1/session/token").status_code


@on_sqlite
def test_a_session_that_is_used_goes_on(site: Installation) -> None:
    for _ in range(3):
        site.clocks.travel(timedelta(days=29))
        assert site.browser.get("/account").status_code == 200
    assert token_status(site) == 200


@on_sqlite
def test_an_idle_session_ends(site: Installation) -> None:
    site.clocks.travel(timedelta(days=30, seconds=1))
    assert token_status(site) == 401
    assert site.unlock("a").status_code == 402


@on_sqlite
def test_no_session_outlives_its_longest_life(site: Installation) -> None:
    for _ in range(13):
        site.clocks.travel(timedelta(days=29))
        site.browser.get("/account")
    assert token_status(site) == 401


@on_sqlite
def test_signing_out_ends_it_for_a_kept_cookie_too(site: Installation) -> None:
    cookie = site.browser.cookies.get("pw_session")
    assert cookie
    assert site.browser.delete("/v1/session").status_code == 204
    with site.new_browser() as thief:
        thief.cookies.set("pw_session", cookie, domain="127.0.0.1")
        assert thief.post("/v1/session/token").status_code == 401
