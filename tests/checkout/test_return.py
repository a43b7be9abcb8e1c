"""Coming back from Stripe: the claim's holder is signed in, and nobody else."""

from datetime import timedelta
from typing import Any

import httpx2

from service.db.tables import Checkout, Customer, Grant, Reader, ReaderSession, Subscription
from service.identity.cookies import cookie_name
from tests.checkout.rows import rows, sign_in
from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import Installation
from tests.stripe_at_hand import sdk


def come_back(
    site: Installation, session_id: str, browser: httpx2.Client | None = None
) -> httpx2.Response:
    return (browser or site.browser).get("/v1/checkout/return", params={"session_id": session_id})


def complete(
    site: Installation, session_id: str, claim: str | None, browser: httpx2.Client
) -> tuple[int, Any]:
    answer = browser.post(f"/v1/checkout/{session_id}/complete", json={"claim": claim})
    return answer.status_code, answer.json()


@on_sqlite
def test_a_session_id_is_no_credential(site: Installation) -> None:
    started = site.start_checkout(return_to="/articles/a?from=secret").json()
    session_id = started["session_id"]
    with site.new_browser() as stranger:
        unpaid = come_back(site, session_id, stranger)
        assert (
            unpaid.status_code,
            "isn&#39;t paid" in unpaid.text or "isn't paid" in unpaid.text,
        ) == (200, True)
        site.pay(session_id)
        paid = come_back(site, session_id, stranger)
        assert paid.status_code == 200
        assert "another browser" in paid.text
        for page in (unpaid, paid):
            assert "secret" not in page.text
            assert site.stripe_url not in page.text
            assert "Set-Cookie" not in page.headers
            assert page.headers["Cache-Control"] == "private, no-store"
        assert stranger.post("/v1/session/token").status_code == 401
        assert site.unlock("a", stranger).status_code == 402
        # Another checkout's claim is no better than none.
        other = stranger.post(
            "/v1/checkout", json={"offer": site.offers["monthly"], "return_to": "/"}
        ).json()
        assert come_back(site, session_id, stranger).status_code == 200
        status, problem = complete(site, session_id, other["claim"], stranger)
        assert (status, problem["type"]) == (403, "/problems/claim-refused")
        assert complete(site, session_id, "ünïcode", stranger)[0] == 403
        assert complete(site, session_id, None, stranger)[0] == 403
    # It is fulfilled all the same: who holds the claim comes back later.
    assert [grant.source for grant in rows(site, Grant)] == ["subscription"]
    back = come_back(site, session_id)
    assert back.status_code == 303
    assert back.headers["Location"] == f"{site.url}/articles/a?from=secret"
    assert site.unlock("a").json()["reason"] == "subscription"
    # Repeated, by the signed-in reader without the claim: led back, nothing new.
    again = come_back(site, session_id)
    assert (again.status_code, "Set-Cookie" in again.headers) == (303, False)
    assert len(rows(site, ReaderSession)) == 1


@on_sqlite
def test_head_fulfils_nothing_and_signs_nobody_in(site: Installation) -> None:
    session_id = site.start_checkout().json()["session_id"]
    assert site.pay(session_id).status_code == 200
    for asked, status in ((session_id, 200), ("cs_test_unknown", 404)):
        head = site.browser.head("/v1/checkout/return", params={"session_id": asked})
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers["Content-Type"].startswith("text/html")
        assert "Set-Cookie" not in head.headers
    assert rows(site, ReaderSession) == []
    assert [each.status for each in rows(site, Checkout)] == ["open"]
    assert come_back(site, session_id).status_code == 303


@on_sqlite
def test_unpaid_and_expired(site: Installation) -> None:
    started = site.start_checkout().json()
    session_id, claim = started["session_id"], started["claim"]
    onward = come_back(site, session_id)
    assert (onward.status_code, onward.headers["Location"]) == (303, started["url"])
    with site.new_browser() as app:
        status, problem = complete(site, session_id, claim, app)
        assert (status, problem["url"]) == (409, started["url"])
        assert problem["type"] == "/problems/checkout-not-paid"
        with sdk(site.stripe_url) as stripe:
            stripe.checkout.sessions.expire(session_id)
        status, problem = complete(site, session_id, claim, app)
        assert (status, problem["type"]) == (410, "/problems/checkout-expired")
    page = come_back(site, session_id)
    assert (page.status_code, "expired" in page.text) == (200, True)
    assert f"{site.url}/articles/a" in page.text
    assert rows(site, Grant) == rows(site, Reader) == []


@on_sqlite
def test_a_signed_in_reader_goes_on_without_the_claim(site: Installation) -> None:
    """The claim's cookie may have been replaced in another tab."""
    sign_in(site)
    started = site.start_checkout().json()
    del site.browser.cookies[cookie_name("checkout", site.settings)]
    session_id = started["session_id"]
    onward = come_back(site, session_id)
    assert (onward.status_code, onward.headers["Location"]) == (303, started["url"])
    assert complete(site, session_id, None, site.browser)[0] == 409
    # The claim alone signs nobody in before it is paid.
    with site.new_browser() as app:
        assert complete(site, session_id, started["claim"], app)[0] == 409
        assert app.post("/v1/session/token").status_code == 401
    site.pay(session_id)
    assert come_back(site, session_id).status_code == 303
    assert site.unlock("a").json()["reason"] == "subscription"
    assert len(rows(site, ReaderSession)) == 1


@on_sqlite
def test_an_app_completes_with_the_claim(site: Installation) -> None:
    started = site.start_checkout().json()
    site.pay(started["session_id"])
    with site.new_browser() as app:
        status, token = complete(site, started["session_id"], started["claim"], app)
        assert (status, token["token_type"]) == (200, "Bearer")
        full = app.get(
            "/v1/articles/a/full", headers={"Authorization": f"Bearer {token['access_token']}"}
        )
        assert full.status_code == 200
        # Signed in by now, it needs no claim.
        assert complete(site, started["session_id"], None, app)[0] == 200
    assert len(rows(site, Reader)) == 1


NONE = (
    "", "cs_test_unknown", "sub_1", "../customers", "cs_test_a/../../x", "%00", "x" * 255, "cs?a=b", "ü",
)  # fmt: skip


@on_sqlite
def test_sessions_that_are_none(site: Installation) -> None:
    for session_id in NONE:
        page = come_back(site, session_id)
        assert page.status_code == 404, (session_id, page.text)
        assert page.headers["Content-Type"].startswith("text/html")
        answer = site.browser.post(f"/v1/checkout/{session_id or '_'}/complete", json={})
        assert answer.status_code in {404, 405}, session_id
        assert answer.headers["Content-Type"] == "application/problem+json"


@on_sqlite
def test_a_foreign_shops_session_is_none_of_ours(site: Installation) -> None:
    started = site.start_checkout().json()
    (ours,) = rows(site, Checkout)
    with sdk(site.stripe_url) as stripe:
        product = stripe.products.create({"name": "Mugs"})
        price = stripe.prices.create(
            {
                "product": product.id,
                "unit_amount": 100,
                "currency": "eur",
                "recurring": {"interval": "month"},
            }
        )
        foreign = stripe.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": price.id, "quantity": 1}],
                "success_url": "https://mugs.example/",
                "client_reference_id": ours.id,
            }
        )
    assert site.pay(foreign.id).status_code == 200
    assert come_back(site, foreign.id).status_code == 404
    site.settle()
    assert rows(site, Subscription) == rows(site, Customer) == rows(site, Grant) == []
    assert site.pay(started["session_id"]).status_code == 200
    assert come_back(site, started["session_id"]).status_code == 303


@on_sqlite
def test_access_does_not_wait_for_our_clock_to_reach_stripes(site: Installation) -> None:
    started = site.start_checkout().json()
    ahead = site.clocks.wall() + timedelta(seconds=30)
    httpx2.post(f"{site.stripe_url}/_sim/clock", json={"to": ahead.isoformat()}, timeout=PATIENCE)
    site.pay(started["session_id"])
    assert come_back(site, started["session_id"]).status_code == 303
    assert site.unlock("a").status_code == 200


@on_sqlite
def test_a_claim_ends_after_two_days(site: Installation) -> None:
    started = site.start_checkout().json()
    site.pay(started["session_id"])
    site.clocks.travel(timedelta(days=2, seconds=-1))
    with site.new_browser() as app:
        assert complete(site, started["session_id"], started["claim"], app)[0] == 200
    site.clocks.travel(timedelta(seconds=1))
    with site.new_browser() as late:
        status, problem = complete(site, started["session_id"], started["claim"], late)
    assert (status, problem["type"]) == (403, "/problems/claim-refused")
