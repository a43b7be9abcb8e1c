"""What is remembered of a reader opens articles quickly, and closes none."""

from datetime import timedelta

import httpx2
import pytest

from service.access.reader_memory import FRESH, ReaderMemory
from service.access.revocations import Revocations
from service.grants.store import put_grant
from service.identity.sessions import end_session
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.statements import statements

pytestmark = on_sqlite
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
async def paid(paywall: Paywall) -> None:
    for slug in ("paid", "dear"):
        await paywall.publish(slug, access={"level": "subscribers"})
        await paywall.client.get(f"/v1/articles/{slug}")  # it is in memory from now on


async def comp(paywall: Paywall, reader_id: str, *, ended: bool = False) -> None:
    """A comp as another process gives it or takes it away."""
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="comp", reference="c", reader_id=reader_id, scope="everything",
            starts_at=now - timedelta(hours=1), ends_at=now if ended else None, now=now,
        )  # fmt: skip


async def bearer(paywall: Paywall) -> dict[str, str]:
    return {"Authorization": f"Bearer {await paywall.access_token()}"}


async def status(paywall: Paywall, slug: str = "paid", **headers: str) -> int:
    return (await paywall.unlock(slug, **headers)).status_code


async def opened_often(paywall: Paywall) -> bool:
    """Whether it opens until the answer itself is remembered."""
    return [await status(paywall) for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_a_known_subscriber_waits_for_no_database(paywall: Paywall, by: str) -> None:
    await paywall.sign_in("everything")
    headers = await bearer(paywall) if by == "token" else {}
    for slug in ("paid", "dear"):
        assert await status(paywall, slug, **headers) == 200
    with statements() as seen:
        for slug in ("paid", "dear", "paid"):
            assert await status(paywall, slug, **headers) == 200
    assert seen == []
    paywall.clocks.travel(FRESH)
    with statements() as seen:
        assert await status(paywall, **headers) == 200
    assert seen


async def test_a_subscribers_answer_is_given_again_and_recorded_again(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in("everything")
    assert await opened_often(paywall)
    first, second = [await paywall.unlock("paid") for _ in range(2)]
    assert first.content == second.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    rows = [row for row in await paywall.ledger() if row.reader_id == reader_id]
    assert len({row.id for row in rows}) == 5
    assert {row.reason for row in rows} == {"subscription"}
    await paywall.publish("paid", title="Another", access={"level": "subscribers"})
    assert (await paywall.unlock("paid")).json()["article"]["title"] == "Another"


async def test_what_was_just_bought_opens_at_once(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    assert [await status(paywall) for _ in range(2)] == [402, 402]
    await comp(paywall, reader_id)
    assert await status(paywall) == 200


async def test_what_was_taken_away_closes_within_seconds(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    await comp(paywall, reader_id)
    assert await opened_often(paywall)
    paywall.clocks.travel(SECOND)
    await comp(paywall, reader_id, ended=True)
    assert await status(paywall) == 200  # by another process, of which this one hasn't heard
    paywall.clocks.travel(FRESH)
    assert await status(paywall) == 402


async def test_revocations_close_sooner(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    await comp(paywall, reader_id)
    assert await opened_often(paywall)
    paywall.clocks.travel(SECOND)
    await comp(paywall, reader_id, ended=True)
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)
    assert await status(paywall) == 402


async def test_a_grant_ends_on_time_whatever_is_remembered(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in()
    now = paywall.clocks.business()
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="comp", reference="c", reader_id=reader_id, scope="everything",
            starts_at=now, ends_at=now + 3 * SECOND, now=now,
        )  # fmt: skip
    assert await opened_often(paywall)
    paywall.clocks.travel(3 * SECOND)
    assert await status(paywall) == 402


async def test_a_session_that_ended_elsewhere_is_closed_with_the_revocations(
    paywall: Paywall,
) -> None:
    await paywall.sign_in("everything")
    assert await status(paywall) == 200
    session_id = next(iter(paywall.app.running.get(ReaderMemory)._known.values())).caller.session_id
    async with paywall.database.transaction() as session:
        await end_session(session, session_id or "", paywall.clocks.wall(), "signed_out")
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)
    assert await status(paywall) == 402


async def test_who_signs_out_here_is_out_at_once(paywall: Paywall) -> None:
    await paywall.sign_in("everything")
    cookies = dict(paywall.client.cookies)
    headers = await bearer(paywall)
    assert await status(paywall) == await status(paywall, **headers) == 200
    await paywall.client.delete("/v1/session")
    async with paywall.new_client() as copied:
        copied.cookies = httpx2.Cookies(cookies)
        assert (await copied.post("/v1/articles/paid/unlock")).status_code == 402
    await paywall.app.running.get(Revocations).refresh(paywall.database, paywall.clocks)
    assert await status(paywall, **headers) == 401


async def test_each_is_remembered_for_itself(paywall: Paywall) -> None:
    await paywall.sign_in("everything")
    assert await status(paywall) == 200
    paywall.client.cookies.clear()
    await paywall.sign_in()
    assert await status(paywall) == 402
    paywall.client.cookies.clear()
    assert await status(paywall) == 402
