"""A foreign site and apps: no cookies, a device's token, and the session as tokens."""

from collections.abc import Iterator

import httpx2
import pytest

from service.identity.devices import HEADER
from service.identity.sessions import GRACE
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.served import CANARY, Installation, installation
from tests.setups.frontends import MAIL_FROM, newest_mail_to

pytestmark = on_sqlite

ANA = "ana@example.org"
SITE = "https://www.example.org"
ELSEWHERE = "https://elsewhere.example"
TOKEN = "/v1/session/token"


@pytest.fixture
def made(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    port = free_port()
    settings = settings.model_copy(
        update={"allowed_origins": (SITE,), "mail_from": MAIL_FROM, "insecure_cookies": False}
    )
    with installation(settings, clocks, port=port, public_url=f"http://localhost:{port}") as made:
        for slug in ("a", "b", "c", "d"):
            made.publish(slug)
        made.publish("paid", access={"level": "subscribers"})
        yield made


class App:
    """An app: it drops every cookie, and keeps the device's token and the session's."""

    def __init__(self, made: Installation, **headers: str) -> None:
        self.client = made.new_browser(headers=headers)
        self.device = self.access = self.session = ""

    def call(self, method: str, path: str, **body: object) -> httpx2.Response:
        headers = {HEADER: self.device} if self.device else {}
        if self.session and path != TOKEN:
            reads = path.startswith("/v1/articles/")
            headers["Authorization"] = f"Bearer {self.access if reads else self.account_token()}"
        answer = self.client.request(method, path, json=body or None, headers=headers)
        self.client.cookies.clear()
        known = answer.json() if answer.content else {}
        self.device = known.get("device_token", self.device)
        self.access = known.get("access_token", self.access)
        self.session = known.get("refresh_token", self.session)
        return answer

    def account_token(self) -> str:
        body = {"refresh_token": self.session, "scope": "account"}
        known = self.client.post(TOKEN, json=body).json()
        self.session = known.get("refresh_token", self.session)
        token: str = known.get("access_token", "ended")
        return token

    def unlock(self, slug: str) -> str:
        reason: str = self.call("POST", f"/v1/articles/{slug}/unlock").json()["reason"]
        return reason

    def sign_in(self, made: Installation) -> httpx2.Response:
        asked = self.call("POST", "/v1/sign-in", email=ANA)
        code = newest_mail_to(made, ANA).code
        return self.call(
            "POST", "/v1/sign-in/confirm",
            request_id=asked.json()["request_id"], code=code, session="token",
        )  # fmt: skip


@pytest.fixture(params=[{}, {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}], ids=["app", "site"])
def app(request: pytest.FixtureRequest, made: Installation) -> Iterator[App]:
    """An app's calls, and the same from a page on another site."""
    app = App(made, **request.param)
    with app.client:
        yield app


def test_the_meter_and_the_wall_without_cookies(app: App) -> None:
    assert [app.unlock(slug) for slug in "abcda"] == ["meter"] * 3 + ["meter_exhausted", "meter"]
    assert app.device


def test_the_whole_story_by_tokens_alone(app: App, made: Installation) -> None:
    for slug in "abc":
        app.unlock(slug)
    signed_in = app.sign_in(made)
    assert signed_in.status_code == 200
    assert "set-cookie" not in {name for name in signed_in.headers if "session" in str(name)}
    assert app.session
    assert app.access
    assert app.call("GET", "/v1/me").json()["email"] == ANA
    assert app.unlock("a") == "meter"  # what the device has read goes along
    assert app.unlock("d") == "meter"  # and the reader's own meter has room

    started = app.call(
        "POST", "/v1/checkout", offer=made.offers["monthly"], return_to=f"{SITE}/articles/paid"
    ).json()
    assert app.unlock("paid") == "subscribers_only"
    made.pay(started["session_id"])
    completed = app.call(
        "POST", f"/v1/checkout/{started['session_id']}/complete",
        claim=started["claim"], session="token",
    )  # fmt: skip
    assert completed.status_code == 200
    assert app.unlock("paid") == "subscription"
    portal = app.call("POST", "/v1/portal", return_to=f"{SITE}/account")
    assert portal.status_code == 201
    full = app.call("GET", "/v1/articles/paid/full")
    assert CANARY in full.json()["article"]["body_html"]

    before = app.session
    made.clocks.travel(GRACE)
    assert app.call("POST", "/v1/session/token", refresh_token=before).status_code == 200
    assert app.session != before
    assert app.call("DELETE", "/v1/session").status_code == 204
    assert app.call("GET", "/v1/me").status_code == 401
    assert app.call("POST", "/v1/session/token", refresh_token=app.session).status_code == 401


@pytest.mark.parametrize(
    ("site", "session", "has_link"),
    [
        ("cross-site", None, False),
        (None, "token", False),
        ("same-site", None, True),  # a sister host: cookies travel
        (None, None, True),
    ],
)
def test_a_mail_has_a_link_only_where_it_signs_in(
    made: Installation, site: str | None, session: str | None, has_link: bool
) -> None:
    headers = {"Origin": SITE, "Sec-Fetch-Site": site} if site else {}
    body = {"email": ANA, "return_to": f"{SITE}/a"} | ({"session": session} if session else {})
    assert (
        httpx2.post(
            f"{made.url}/v1/sign-in", json=body, headers=headers, timeout=PATIENCE
        ).status_code
        == 202
    )
    assert bool(newest_mail_to(made, ANA).token) == has_link


def test_a_purchase_by_somebody_unknown_signs_the_app_in(app: App, made: Installation) -> None:
    started = app.call(
        "POST", "/v1/checkout", offer=made.offers["monthly"], return_to=f"{SITE}/articles/paid"
    ).json()
    unpaid = app.call(
        "POST", f"/v1/checkout/{started['session_id']}/complete",
        claim=started["claim"], session="token",
    )  # fmt: skip
    assert unpaid.json()["type"] == "/problems/checkout-not-paid"
    made.pay(started["session_id"])
    # Where Stripe leads the browser, nobody is known: the way back is the site's front page.
    with made.new_browser() as stranger:
        returned = stranger.get(f"/v1/checkout/return?session_id={started['session_id']}")
    assert returned.status_code == 200
    assert f'href="{SITE}/"' in returned.text
    assert "articles/paid" not in returned.text
    app.call(
        "POST", f"/v1/checkout/{started['session_id']}/complete",
        claim=started["claim"], session="token",
    )  # fmt: skip
    assert app.session
    assert app.unlock("paid") == "subscription"


def test_no_answer_of_a_token_session_sets_its_cookie(app: App, made: Installation) -> None:
    set_by = [app.sign_in(made), app.call("POST", "/v1/session/token", refresh_token=app.session)]
    assert [name for answer in set_by for name in answer.cookies if "session" in name] == []


def test_another_origin_is_refused_even_with_tokens(made: Installation) -> None:
    app = App(made)
    with app.client:
        app.sign_in(made)
        app.client.headers["Origin"] = ELSEWHERE
        for method, path in (
            ("POST", "/v1/articles/a/unlock"), ("POST", "/v1/session/token"),
            ("POST", "/v1/sign-in"), ("DELETE", "/v1/session"),
        ):  # fmt: skip
            refused = app.call(method, path)
            assert (refused.status_code, refused.json()["type"]) == (
                403,
                "/problems/foreign-origin",
            )
        seen = app.call("GET", "/v1/me")
        assert "Access-Control-Allow-Origin" not in seen.headers
        asked = app.client.options(
            "/v1/me",
            headers={
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert not [name for name in asked.headers if name.startswith("access-control")]


def test_preflights_of_the_listed_site_allow_the_tokens(made: Installation) -> None:
    asked = httpx2.options(
        f"{made.url}/v1/articles/a/unlock",
        headers={
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,paywall-device",
        },
        timeout=PATIENCE,
    )
    assert asked.headers["Access-Control-Allow-Origin"] == SITE
    allowed = {
        each.strip().lower() for each in asked.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert {"authorization", "content-type", "paywall-device"} <= allowed
