"""A sister host: the service's cookies travel with credentials, to and from listed origins alone.

The answers are checked as a browser checks them; test_in_chromium.py has a real one.
"""

from collections.abc import Iterator

import httpx2
import pytest

from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation, installation
from tests.setups.frontends import MAIL_FROM, newest_mail_to

pytestmark = on_sqlite

API, SITE = "https://api.example.org", "https://www.example.org"
ANA = "ana@example.org"
OTHERS = [
    "https://elsewhere.example", "https://example.org", "https://www.example.org.elsewhere.example",
    "http://www.example.org", "https://www.example.org:8443", "https://shop.example.org", "null",
]  # fmt: skip

CHANGES = [
    ("POST", "/v1/articles/a/unlock"), ("POST", "/v1/checkout"), ("POST", "/v1/portal"),
    ("POST", "/v1/sign-in"), ("POST", "/v1/session/token"), ("DELETE", "/v1/session"),
]  # fmt: skip


@pytest.fixture
def made(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    settings = settings.model_copy(update={"allowed_origins": (SITE,), "mail_from": MAIL_FROM})
    with installation(settings, clocks, public_url=API) as made:
        for slug in ("a", "b", "c", "d"):
            made.publish(slug)
        made.publish("paid", access={"level": "subscribers"})
        yield made


class Page:
    """A page of `origin` in a browser that checks CORS (Fetch, "CORS check"); cookies travel."""

    def __init__(self, made: Installation, origin: str = SITE) -> None:
        self.origin = origin
        self.browser = made.new_browser()

    def fetch(self, method: str, path: str, **body: object) -> httpx2.Response:
        """Preflight where a browser sends one, then the call; an unreadable answer fails."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-site"}
        if body or method not in {"GET", "POST"}:
            asked = {"Access-Control-Request-Method": method}
            if body:
                asked["Access-Control-Request-Headers"] = "content-type"
            with httpx2.Client(base_url=self.browser.base_url, timeout=PATIENCE) as without_cookies:
                preflight = without_cookies.options(path, headers={"Origin": self.origin, **asked})
            assert preflight.is_success
            self.check(preflight)
            assert method in preflight.headers["Access-Control-Allow-Methods"]
            assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
        answer = self.browser.request(method, path, headers=headers, json=body or None)
        self.check(answer)
        return answer

    def check(self, answer: httpx2.Response) -> None:
        assert answer.headers.get_list("Access-Control-Allow-Origin") == [self.origin]
        assert answer.headers.get_list("Access-Control-Allow-Credentials") == ["true"]


@pytest.fixture
def page(made: Installation) -> Iterator[Page]:
    page = Page(made)
    with page.browser:
        yield page


def test_from_the_meter_to_a_paid_article(page: Page, made: Installation) -> None:
    reasons = [page.fetch("POST", f"/v1/articles/{s}/unlock", token=False).json() for s in "abcd"]
    assert [each["granted"] for each in reasons] == [True, True, True, False]
    started = page.fetch(
        "POST", "/v1/checkout", offer=made.offers["monthly"], return_to=f"{SITE}/articles/paid"
    ).json()
    made.pay(started["session_id"])
    back = page.browser.get(f"/v1/checkout/return?session_id={started['session_id']}")
    assert (back.status_code, back.headers["Location"]) == (303, f"{SITE}/articles/paid")
    opened = page.fetch("POST", "/v1/articles/paid/unlock").json()
    assert opened["reason"] == "subscription"
    portal = page.fetch("POST", "/v1/portal", return_to=f"{SITE}/account")
    assert portal.status_code == 201


def test_signing_in_and_out(page: Page, made: Installation) -> None:
    asked = page.fetch("POST", "/v1/sign-in", email=ANA, return_to=f"{SITE}/articles/a").json()
    code = newest_mail_to(made, ANA).code
    signed_in = page.fetch("POST", "/v1/sign-in/confirm", request_id=asked["request_id"], code=code)
    assert signed_in.json()["return_to"] == f"{SITE}/articles/a"
    assert "refresh_token" not in signed_in.json()
    assert page.fetch("GET", "/v1/me").json()["email"] == ANA
    assert page.fetch("POST", "/v1/session/token").status_code == 200
    assert page.fetch("DELETE", "/v1/session").status_code == 204
    assert page.fetch("GET", "/v1/me").status_code == 401


def test_another_origin_is_refused_whatever_cookies_it_brings(made: Installation) -> None:
    session_id = made.start_checkout().json()["session_id"]
    made.pay(session_id)
    made.browser.get(f"/v1/checkout/return?session_id={session_id}")  # it holds a session now
    for origin in OTHERS:
        for method, path in CHANGES:
            refused = made.browser.request(method, path, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["type"]) == (
                403,
                "/problems/foreign-origin",
            )
            asked = made.browser.options(
                path, headers={"Origin": origin, "Access-Control-Request-Method": method}
            )
            assert_unreadable(refused)
            assert_unreadable(asked)
        seen = made.browser.get("/v1/me", headers={"Origin": origin})
        assert seen.status_code == 200  # as if the reader went there; no page can read it
        assert_unreadable(seen)


def assert_unreadable(answer: httpx2.Response) -> None:
    assert not [name for name in answer.headers if name.startswith("access-control")]
