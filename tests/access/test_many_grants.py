"""A reader with thousands of live passes reads, has a token that is accepted, and sees the account."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from service.db.tables import Article, Grant
from service.tokens.signing import LONGEST_TOKEN
from tests.databases import on_sqlite
from tests.inside import Paywall

pytestmark = on_sqlite
MANY = 2_500


@pytest.fixture
async def reader_id(paywall: Paywall) -> str:
    """With a subscription of a plan that opens nothing here, and passes for other articles; the newest is for `b`."""
    found = await paywall.sign_in("plan:digital")
    await paywall.publish("paid", access={"level": "subscribers", "plans": ["print"]})
    await paywall.publish("b", access={"level": "subscribers", "plans": ["print"]})
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        wanted = await session.scalar(select(Article.id).where(Article.slug == "b"))
        rows = [
            {
                "id": f"grt_{n:024}", "reader_id": found, "source": "pass", "reference": f"pas_{n}",
                "scope": f"article:{wanted if n == 0 else f'art_{n:024}'}", "note": "",
                "starts_at": now - timedelta(minutes=n), "ends_at": None, "in_grace": False,
                "created_at": now, "updated_at": now, "recorded_since": now,
            }
            for n in range(MANY)
        ]  # fmt: skip
        await session.execute(insert(Grant), rows)
    return found


async def test_all_of_it_answers(paywall: Paywall, reader_id: str) -> None:
    for _ in range(2):
        assert (await paywall.unlock("b")).json()["reason"] == "pass"
        assert (await paywall.unlock("paid")).json()["reason"] == "subscribers_only"
    token = await paywall.access_token()
    assert len(token) <= LONGEST_TOKEN
    assert (await paywall.full("b", token)).status_code == 200
    assert (await paywall.full("a", token)).status_code == 200, "the plan comes before passes"
    assert (await paywall.full("paid", token)).status_code == 403
    me = (await paywall.client.get("/v1/me")).json()
    sources = [each["source"] for each in me["grants"]]
    assert (len(sources), sources[0]) == (100, "subscription"), "single articles come last"
    listed, cursor = len(sources), me["more_grants"]
    while cursor is not None:
        more = (
            await paywall.client.get("/v1/me/grants", params={"cursor": cursor, "limit": 100})
        ).json()
        assert {each["source"] for each in more["items"]} == {"pass"}
        listed, cursor = listed + len(more["items"]), more["next_cursor"]
    assert listed == MANY + 1
    first = await paywall.client.get("/v1/me/grants", params={"limit": 100})
    assert first.json() == {"items": me["grants"], "next_cursor": me["more_grants"]}
    account = (await paywall.client.get("/account")).text
    assert "Everything you have access to" in account
    page = await paywall.client.get("/account/access", params={"limit": 100})
    assert (
        page.text.count("Your pass gives you access to one article"),
        "/articles/b" in page.text,
    ) == (
        99,
        True,
    )
    assert "Older" in page.text
    for answer in (account, page.text):
        assert len(answer) < 50_000
    exported = (await paywall.client.get("/v1/me/export")).json()
    assert len(exported["grants"]) == MANY + 1, "the reader's data is whole"
    whole = await paywall.client.get(f"/v1/admin/subscribers/{reader_id}", headers=paywall.staff)
    shown = whole.json()
    assert (len(shown["grants"]), shown["access_complete"]) == (200, False)
    assert "subscription" in {each["source"] for each in shown["grants"]}, "hidden by no pass"
