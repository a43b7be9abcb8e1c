"""Ready or not, and why; and the figures for Prometheus."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, text
from structlog.testing import capture_logs

from service.billing.watch import WebhookWatch
from service.db.session import Database
from service.db.tables import Job, SigningKey
from service.reports.channel_facts import ChannelWatch
from service.settings import Settings
from service.tokens.key_pairs import generate
from service.tokens.keys import KeyRingHolder, stored
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    async with inside(database, settings, clocks) as made:
        yield made


async def test_a_started_service_is_ready(paywall: Paywall) -> None:
    answer = await paywall.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert set(answer.json()["checks"].values()) == {"ok"}


async def test_another_migration_says_what_to_run(paywall: Paywall) -> None:
    async with paywall.database.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0f0f0f0f0f0f'"))
    answer = await paywall.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.json()["checks"]["migrations"] == "run: paywall migrate"


@on_sqlite
async def test_keys_that_another_secret_sealed_make_it_unready_not_dead(paywall: Paywall) -> None:
    foreign = stored(
        generate("ES256"), "active", encryption_key=bytes(32), now=paywall.clocks.wall()
    )
    async with paywall.database.transaction() as session:
        await session.execute(delete(SigningKey).where(SigningKey.state == "active"))
        session.add(foreign)
    await paywall.app.running.get(KeyRingHolder).refresh(paywall.database)
    answer = await paywall.client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "ok")
    assert "PAYWALL_SECRET_KEY" in answer.json()["checks"]["keys"]
    assert (await paywall.client.get("/healthz")).json() == {"status": "ok"}


@on_sqlite
@pytest.mark.parametrize(("metrics", "status"), [(True, 200), (False, 404)])
async def test_figures_are_there_unless_switched_off(
    database: Database, settings: Settings, clocks: MovingClocks, metrics: bool, status: int
) -> None:
    settings = settings.model_copy(update={"metrics": metrics})
    async with inside(database, settings, clocks) as made:
        await made.publish("a")
        await made.unlock("a")
        answer = await made.client.get("/metrics")
    assert answer.status_code == status
    assert ("paywall_unlocks_total" in answer.text) == metrics
    assert ("paywall_jobs_oldest_seconds" in answer.text) == metrics


async def test_a_quiet_channel_is_named_and_the_instance_stays_in(paywall: Paywall) -> None:
    now = paywall.clocks.wall()
    job = Job(
        id="job_1", kind="recut", key="all", status="waiting", due_at=now - timedelta(hours=1),
        lease=None, attempts=0, payload={}, created_at=now, finished_at=None, result="",
    )  # fmt: skip
    async with paywall.database.transaction() as session:
        session.add(job)
    answer = await paywall.client.get("/readyz")
    channels = answer.json()["channels"]
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert "Restart the service" in channels["jobs"]["state"]
    assert (channels["keys"]["state"], channels["keys"]["age"]) == ("ok", 0)
    figures = (await paywall.client.get("/metrics")).text
    assert 'paywall_channel_good{channel="jobs"} 0.0' in figures
    assert 'paywall_channel_last_good_seconds{channel="database"} 0.0' in figures
    watch = paywall.app.running.get(ChannelWatch)
    with capture_logs() as logged:
        await watch.warn(paywall.app.running)
        await watch.warn(paywall.app.running)
    assert [(each["event"], each["channel"]) for each in logged] == [("channel.quiet", "jobs")]


def test_refused_webhooks_are_counted_and_warned_of_once_a_minute(clocks: MovingClocks) -> None:
    watch, now = WebhookWatch(), clocks.wall()
    with capture_logs() as logged:
        for seconds, reason in (
            (0, "signature"),
            (1, "signature"),
            (2, "unsigned"),
            (61, "signature"),
        ):
            watch.refused(reason, "detail", now + timedelta(seconds=seconds))
    assert [each["reason"] for each in logged] == ["signature", "unsigned", "signature"]
    assert (watch.count, watch.last) == (3, ("signature", now + timedelta(seconds=61)))
