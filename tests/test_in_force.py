"""What is changed by one process is in force in another after one round of its background tasks, a second apart."""

from service.background import steady_tasks
from service.db.session import Database
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside

MOST_SECONDS = 1.0
"""Between two rounds, unless an installation says otherwise: what is changed is to be in force within two."""


async def a_round(paywall: Paywall) -> None:
    """Of each task that has no pause of its own."""
    for task in steady_tasks(paywall.app.running):
        if task.pause is None:
            assert not task.begins_after, task.name
            await task.run()


@on_sqlite
async def test_a_title_rules_a_level_and_a_session(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    assert Settings(_env_file=None).background_interval_seconds <= MOST_SECONDS
    async with (
        inside(database, settings, clocks) as office,
        inside(database, settings, clocks) as other,
    ):
        for slug in ("a", "b"):
            await office.publish(slug)
        await office.sign_in("everything")
        bearer = {"Authorization": f"Bearer {await office.access_token()}"}

        async def title() -> str:
            return str((await other.client.get("/v1/articles/a")).json()["title"])

        async def known() -> int:
            return (await other.unlock("a")).status_code

        async def new() -> int:
            async with other.new_client() as stranger:
                return (await stranger.post("/v1/articles/a/unlock")).status_code

        async def full() -> int:
            return (await other.client.get("/v1/articles/b/full", headers=bearer)).status_code

        async def rules(level: str = "metered", anonymous: int = 3) -> None:
            meter = {"window": "month", "anonymous": anonymous, "registered": 5}
            document = {"levels": {"default": {"level": level}}, "meter": meter}
            changed = await office.client.put(
                "/v1/admin/rules", json=document, headers=office.staff
            )
            assert changed.status_code == 200, changed.text
            await a_round(other)

        assert (await title(), await known(), await new(), await full()) == ("A", 200, 200, 200)
        await office.publish("a", title="Dredging begins")
        await a_round(other)
        assert await title() == "Dredging begins"
        await rules(anonymous=0)
        assert (await new(), await known()) == (402, 200), "what was read stays open"
        await rules(anonymous=3)
        assert await new() == 200
        await rules("subscribers")
        assert await known() == 402
        await rules("metered")
        assert await known() == 200
        await office.publish("a", access={"level": "subscribers"})
        await a_round(other)
        assert await known() == 402
        assert (await office.client.delete("/v1/session")).status_code == 204
        await a_round(other)
        assert await full() == 401
