"""The whole main job over HTTP: read to the wall, buy, come back, read on, and what operators see."""

import httpx2
import jwt

from tests.databases import on_sqlite
from tests.patience import PATIENCE
from tests.served import CANARY, Installation

LOOP = ["a", "b", "c", "d"]


@on_sqlite
def test_a_paid_read(site: Installation) -> None:
    for slug in LOOP:
        site.publish(slug)
    site.publish("paid", access={"level": "subscribers"})

    # Teasers are for everybody and hold nothing of what follows the cut.
    teaser = site.browser.get("/v1/articles/a")
    assert teaser.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    assert "Opening of a" in teaser.text
    assert CANARY not in teaser.text

    # Three free articles, a re-read free of charge, then the wall with its offers.
    for count, slug in enumerate(LOOP[:3], start=1):
        opened = site.unlock(slug)
        assert opened.status_code == 200
        assert CANARY in opened.json()["article"]["body_html"]
        assert opened.json()["meter"]["used"] == count
    again = site.unlock("a").json()
    assert (again["consumed"], again["meter"]["remaining"]) == (False, 0)
    walled = site.unlock("d")
    assert walled.status_code == 402
    assert CANARY not in walled.text
    assert walled.json()["wall"]["kind"] == "subscribe"
    assert [offer["currency"] for offer in walled.json()["wall"]["offers"]] == ["EUR", "EUR", "USD"]

    # A declined card leaves the checkout open; a good one leads back, signed in, to the article.
    started = site.start_checkout("monthly", "/articles/d")
    assert started.status_code == 201
    session_id = started.json()["session_id"]
    assert httpx2.get(started.json()["url"], timeout=PATIENCE).status_code == 200
    assert site.pay(session_id, card="4000000000000002").status_code == 402
    paid = site.pay(session_id)
    assert paid.json()["status"] == "complete"
    back = site.browser.get(paid.json()["redirect_url"])
    assert (back.status_code, back.headers["Location"]) == (303, f"{site.url}/articles/d")
    assert site.browser.get(paid.json()["redirect_url"]).status_code == 303
    opened = site.unlock("d").json()
    assert (opened["reason"], opened["consumed"]) == ("subscription", False)
    assert site.unlock("paid").json()["reason"] == "subscription"

    # Any JOSE library verifies the tokens with our public keys alone.
    key = jwt.PyJWKClient(f"{site.url}/.well-known/jwks.json").get_signing_key_from_jwt(
        opened["token"]
    )
    claims = jwt.decode(
        opened["token"], key, ["ES256"], audience="gazette", issuer=site.url,
        options={"verify_iat": False, "verify_exp": False},
    )  # fmt: skip
    assert (claims["art"], claims["rsn"]) == ("d", "subscription")
    full = httpx2.get(
        f"{site.url}/v1/articles/d/full",
        headers={"Authorization": f"Bearer {opened['token']}"},
        timeout=PATIENCE,
    )
    assert CANARY in full.json()["article"]["body_html"]
    elsewhere = httpx2.get(
        f"{site.url}/v1/articles/a/full",
        headers={"Authorization": f"Bearer {opened['token']}"},
        timeout=PATIENCE,
    )
    assert elsewhere.status_code == 403
    access = site.browser.post("/v1/session/token").json()["access_token"]
    by_access = httpx2.get(
        f"{site.url}/v1/articles/paid/full",
        headers={"Authorization": f"Bearer {access}"},
        timeout=PATIENCE,
    )
    assert by_access.status_code == 200

    # A second subscription is refused, with the way to the portal.
    second = site.start_checkout("yearly")
    assert second.status_code == 409
    assert httpx2.get(second.json()["portal"], timeout=PATIENCE).status_code == 200
    operators_see_it(site)


def operators_see_it(site: Installation) -> None:
    site.settle()
    staff = {"Authorization": f"Bearer {site.api_key}"}
    listed = site.browser.get("/v1/admin/subscribers", headers=staff).json()["items"]
    assert [item["subscription"]["status"] for item in listed] == ["active"]
    summary = site.browser.get("/v1/admin/reports/summary", headers=staff).json()
    assert summary["active_subscribers"]["value"] == 1
    assert summary["mrr"]["values"] == [{"amount": 900, "currency": "EUR"}]
    detail = site.browser.get(f"/v1/admin/subscribers/{listed[0]['reader_id']}", headers=staff)
    assert detail.json()["subscriptions"][0]["wall"]["slug"] == "d"
