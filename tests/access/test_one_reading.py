"""Unlock, the answer without effect, reads by token and what is public never tell two stories."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from service.access.unlock_tokens import UnlockTokens
from service.db.tables import Reader
from service.grants.store import put_grant
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall


async def verified_reader(paywall: Paywall, *scopes: str) -> str:
    reader_id = await paywall.sign_in(*scopes)
    async with paywall.database.transaction() as session:
        await session.execute(
            update(Reader)
            .where(Reader.id == reader_id)
            .values(email_verified_at=paywall.clocks.wall())
        )
    return reader_id


async def give_comp(paywall: Paywall, reader_id: str) -> None:
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="comp", reference="cmp_1", reader_id=reader_id, scope="everything",
            starts_at=paywall.clocks.business(), ends_at=None, now=paywall.clocks.business(),
        )  # fmt: skip


async def reasons(paywall: Paywall, slug: str) -> list[str]:
    """Of the answer without effect, the unlock, and the ledger's rows of it and of a token read."""
    seen = (await paywall.client.get(f"/v1/articles/{slug}/access")).json()["reason"]
    unlocked = (await paywall.unlock(slug)).json()["reason"]
    by_token = await paywall.full(slug, await paywall.access_token())
    assert by_token.status_code == 200
    return [seen, unlocked, *(row.reason for row in await paywall.ledger())]


def signed(paywall: Paywall, reason: str, slug: str) -> str:
    tokens = paywall.app.running.get(UnlockTokens)
    token, _ = tokens.token(
        holder_id="dev_1", article=slug, reason=reason, session_id=None, now=paywall.clocks.wall()
    )
    return token


async def test_a_subscriber_reads_what_is_registered_by_the_subscription(paywall: Paywall) -> None:
    await paywall.publish("members", access={"level": "registered"})
    await verified_reader(paywall, "plan:digital")
    assert await reasons(paywall, "members") == ["subscription"] * 4


@on_sqlite
async def test_a_comp_for_everything_stands_back_behind_a_subscription(paywall: Paywall) -> None:
    reader_id = await verified_reader(paywall, "plan:digital")
    await give_comp(paywall, reader_id)
    assert await reasons(paywall, "a") == ["subscription"] * 4


@on_sqlite
async def test_an_article_that_is_all_preview_is_free_wherever_one_looks(paywall: Paywall) -> None:
    await paywall.publish("empty", body="<!--more-->", access={"level": "subscribers"})
    teaser = (await paywall.client.get("/v1/articles/empty")).json()
    assert teaser["access"] == {"level": "free", "metered": False, "plans": []}
    assert teaser["json_ld"]["isAccessibleForFree"] is True
    assert teaser["body_html"] == ""
    items = (await paywall.client.get("/v1/articles?q=empty")).json()["items"]
    assert [item["access"]["level"] for item in items] == ["free"]
    staff = await paywall.client.get("/v1/admin/articles/empty", headers=paywall.staff)
    assert staff.json()["access"]["level"] == "subscribers"
    assert staff.json()["effective"] == {
        "level": "free",
        "source": "cut",
        "until": None,
        "plans": [],
    }
    page = (await paywall.client.get("/articles/empty")).text
    assert '"isAccessibleForFree": true' in page
    await verified_reader(paywall)
    assert await reasons(paywall, "empty") == ["free"] * 4


@on_sqlite
@pytest.mark.parametrize(
    ("reason", "level", "status", "told"),
    [
        ("meter", "metered", 200, None),
        ("meter", "registered", 403, "registered_only"),
        ("meter", "subscribers", 403, "subscribers_only"),
        ("registered", "registered", 200, None),
        ("registered", "metered", 403, "meter_not_asked"),
        ("registered", "subscribers", 403, "subscribers_only"),
        ("free", "subscribers", 403, "subscribers_only"),
        ("subscription", "subscribers", 200, None),
        ("comp", "subscribers", 200, None),
        ("pass", "subscribers", 200, None),
    ],
)
async def test_an_unlock_token_opens_what_its_reason_still_opens(
    paywall: Paywall, reason: str, level: str, status: int, told: str | None
) -> None:
    token = signed(paywall, reason, "a")
    await paywall.publish("a", access={"level": level})
    answer = await paywall.full("a", token)
    assert (answer.status_code, answer.json().get("reason")) == (status, told)
    assert (CANARY in answer.text) == (status == 200)


async def test_what_the_meter_opened_closes_when_the_article_is_for_subscribers(
    paywall: Paywall,
) -> None:
    token = (await paywall.unlock("a")).json()["token"]
    assert (await paywall.full("a", token)).status_code == 200
    await paywall.publish("a", access={"level": "subscribers"})
    answer = await paywall.full("a", token)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/article-not-covered")
    await paywall.publish("a", access={"level": "metered"})
    paywall.clocks.travel(timedelta(minutes=1))
    assert (await paywall.full("a", token)).status_code == 200
