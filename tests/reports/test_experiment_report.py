"""What is counted of an experiment: each holder once, for the variant they met first."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete

from service.db.session import Database
from service.db.tables import AccessEntry, ChargeRow, ExperimentRow, ReaderDevice, RefundRow
from service.reports.experiment_report import ExperimentReport, report_on_experiment
from service.reports.rollups import roll_day
from tests.reports import rows

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LISBON = ZoneInfo("Europe/Lisbon")


def plan(goal: str) -> dict[str, Any]:
    return {
        "slug": "spring", "question": "Does it help?", "subject": "limit", "goal": goal, "size": 40,
        "within_days": 7, "ends_at": (START + 30 * DAY).isoformat(),
        "variants": [
            {"name": "usual", "share": 50},
            {"name": "one", "share": 50, "limits": {"anonymous": 1, "registered": 2}},
        ],
    }  # fmt: skip


def refunded(subscription_id: str) -> list[Any]:
    charge = ChargeRow(
        id="ch_1", subscription_id=subscription_id, status="succeeded", amount=900, currency="EUR",
        method="card", country="PT", failure="", created_at=START + 2 * DAY, asked_at=START + 2 * DAY,
    )  # fmt: skip
    refund = RefundRow(
        id="re_1", charge_id="ch_1", amount=900, currency="EUR", status="succeeded", reason="",
        created_at=START + 5 * DAY, asked_at=START + 5 * DAY,
    )  # fmt: skip
    return [charge, refund]


async def report(database: Database, now: datetime, goal: str = "paid") -> ExperimentReport:
    row = ExperimentRow(
        slug="spring", document=plan(goal), created_at=START, created_by="command", started_at=START,
        ends_at=START + 30 * DAY, stopped_at=None,
    )  # fmt: skip
    async with database.reading() as session:
        return await report_on_experiment(session, row, now, LISBON)


async def test_holders_are_counted_once_with_what_they_did(database: Database) -> None:
    offer = rows.offer()
    ana, ben, cleo, dina = (rows.reader(email_verified_at=None) for _ in range(4))
    cleo.email_verified_at, cleo.verified_key = START + 2 * DAY, "cleo@example.org"
    article = rows.article("ferry", "Ferry")
    stored: list[Any] = [offer, ana, ben, cleo, dina, article]

    def met(holder: str, variant: str | None, days: float) -> None:
        at = START + days * DAY
        stored.append(rows.read(article, at, holder=holder, variant=variant))

    for number in range(3):
        met(f"device:dev_{number}", "spring/usual", 1 + number)
    met("device:dev_0", "spring/usual", 9)  # again: the same holder
    met("device:dev_9", None, 1)  # takes no part
    met("device:dev_8", "autumn/usual", 1)  # another experiment's
    met("device:dev_7", "spring/one", -0.1)  # before the start
    met("device:dev_a", "spring/one", 1)  # Ana's device, and Ana herself
    met(f"reader:{ana.id}", "spring/one", 2)
    met("device:dev_b", "spring/one", 1)  # Ben met one first, then the other on his second device
    met(f"reader:{ben.id}", "spring/usual", 2)
    met(f"reader:{cleo.id}", "spring/one", 1)
    met(f"reader:{dina.id}", "spring/one", 1)
    for device, reader in (("dev_a", ana), ("dev_b", ben)):
        stored.append(ReaderDevice(device_id=device, reader_id=reader.id, linked_at=START + DAY))
    for reader, bought, ended in ((ana, 3, 20), (ben, 6, None), (cleo, 12, None), (dina, 2, 60)):
        subscription = rows.subscription(
            reader, offer, started_at=START + bought * DAY,
            ended_at=START + (bought + ended) * DAY if ended else None,
        )  # fmt: skip
        stored += [subscription, rows.movement(subscription, 1, START + bought * DAY)]
        if reader is dina:
            stored += refunded(subscription.id)
    async with database.transaction() as session:
        for each in stored:
            session.add(each)
            await session.flush()
    found = await report(database, START + 200 * DAY)
    assert found.result is not None
    usual, one = (each.tally for each in found.result.variants)
    assert (usual.holders, usual.reached) == (3, 0)
    # Cleo paid, but later than in seven days.
    assert (one.holders, one.reached, one.payers, one.refunded) == (4, 3, 3, 1)
    assert (one.due_30, one.left_30, one.due_90, one.left_90) == (3, 1, 3, 2)
    assert found.mixed == 1
    assert found.result.verdict == "too_few"
    registered = await report(database, START + 200 * DAY, goal="registered")
    assert registered.result is not None
    assert [each.tally.reached for each in registered.result.variants] == [0, 1]
    early = await report(database, START + 34 * DAY)
    assert early.result is not None
    assert early.result.verdict == "waiting"
    assert early.result.variants[1].tally.due_90 == 0
    assert early.gone is None
    first = START.date()
    await roll_day(database, first + timedelta(days=1), now=START + 40 * DAY)
    async with database.transaction() as session:
        await session.execute(
            delete(AccessEntry).where(AccessEntry.day <= first + timedelta(days=1))
        )
    assert (await report(database, START + 34 * DAY)).gone == first + timedelta(days=2)
