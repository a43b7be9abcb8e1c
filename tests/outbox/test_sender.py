"""Sending what waits: once, again after a pause, at last given up; never the content in the log."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import func, select
from structlog.testing import capture_logs

from service.db.session import Database
from service.db.tables import Job, Mail
from service.jobs.queue import LEASE
from service.outbox import queue
from service.outbox.configured import mailer_of_settings
from service.outbox.mailer import Away, Deferred, LogMailer, Refused
from service.outbox.mails import Kind, put_mail
from service.outbox.queue import JOB, WaitingMail
from service.outbox.sender import PAUSES, send_due_mails
from service.outbox.smtp import SmtpMailer, mail_server
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.outbox.post_office import post_office

CODE = "864209"
READER = "ana@example.org"
DAY = timedelta(days=1)


@dataclass
class Postman:
    """Takes every mail, unless `trouble` says otherwise."""

    trouble: Callable[[WaitingMail], Awaitable[None]] | None = None
    keeps_content: bool = False
    taken: list[str] = field(default_factory=list)

    async def send(self, mail: WaitingMail) -> str:
        if self.trouble is not None:
            await self.trouble(mail)
        self.taken.append(mail.id)
        return "taken"


def fails_with(error: Exception) -> Postman:
    async def fail(_: WaitingMail) -> None:
        raise error

    return Postman(fail)


async def put(
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
    *,
    kind: Kind = "sign-in",
    life: timedelta | None = None,
) -> str:
    context: dict[str, Any] = {"link": f"{settings.public_url}/a", "code": CODE, "minutes": 10}
    async with database.transaction() as session:
        mail = await put_mail(
            session, kind=kind, to=READER, to_key=READER, reader_id=None, settings=settings,
            now=clocks.wall(), send_until=None if life is None else clocks.wall() + life,
            **(context if kind == "sign-in" else {}),
        )  # fmt: skip
    assert mail is not None
    return mail.id


async def row(database: Database, mail_id: str) -> Mail:
    async with database.reading() as session:
        return (await session.scalars(select(Mail).where(Mail.id == mail_id))).one()


async def job_of(database: Database, mail_id: str) -> Job:
    async with database.reading() as session:
        return (await session.scalars(select(Job).where(Job.kind == JOB, Job.key == mail_id))).one()


async def test_a_sent_mail_is_emptied_and_sent_once(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks)
    labels = {"kind": "sign-in", "result": "sent"}
    before = REGISTRY.get_sample_value("paywall_mails_total", labels) or 0
    async with post_office() as office:
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), "p@moewe.example")
        assert await send_due_mails(database, mailer, clocks) == 1
        assert await send_due_mails(database, mailer, clocks) == 0
    (received,) = office.received
    assert CODE in received.content.decode()
    sent = await row(database, mail_id)
    assert (sent.status, sent.sent_at, sent.result) == ("sent", clocks.wall(), "Kept as 42")
    assert (sent.text, sent.html, sent.recipient) == ("", "", READER)
    assert REGISTRY.get_sample_value("paywall_mails_total", labels) == before + 1


async def test_an_erased_reader_s_address_goes_with_the_last_mail(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks, kind="erased")
    await send_due_mails(database, Postman(), clocks)
    sent = await row(database, mail_id)
    assert (sent.status, sent.recipient, sent.recipient_key) == ("sent", "", "")


@on_sqlite
async def test_a_server_that_is_busy_first_and_takes_it_then(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks, life=timedelta(minutes=10))
    async with post_office() as office:
        office.recipient_answers = ["450 {} is busy"]
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), "p@moewe.example")
        with capture_logs() as logs:
            assert await send_due_mails(database, mailer, clocks) == 0
        waiting, job = await row(database, mail_id), await job_of(database, mail_id)
        assert (waiting.status, job.status, job.attempts) == ("waiting", "waiting", 1)
        assert job.result == "450 the recipient is busy"
        assert CODE in waiting.text
        clocks.travel(timedelta(seconds=59))
        assert await send_due_mails(database, mailer, clocks) == 0
        clocks.travel(timedelta(seconds=1))
        assert await send_due_mails(database, mailer, clocks) == 1
    assert [log["event"] for log in logs] == ["job.failed"]
    assert CODE not in str(logs)
    assert READER not in str(logs)


@on_sqlite
async def test_what_the_server_wants_never_is_not_tried_again(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks)
    with capture_logs() as logs:
        await send_due_mails(database, fails_with(Refused("550 no")), clocks)
    failed = await row(database, mail_id)
    assert (failed.status, failed.sent_at, failed.result) == ("failed", None, "550 no")
    assert (failed.text, failed.html) == ("", "")
    assert [log["event"] for log in logs] == ["job.given_up"]
    job = await job_of(database, mail_id)
    assert (job.status, job.result) == ("failed", "550 no")
    postman = Postman()
    clocks.travel(timedelta(hours=1))
    assert await send_due_mails(database, postman, clocks) == 0


@on_sqlite
async def test_what_waited_for_the_server_leaves_within_a_minute_of_its_return(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    """However long it was away, and whatever was tried meanwhile."""
    waiting = [await put(database, settings, clocks, life=timedelta(days=2)) for _ in range(6)]
    expiring = await put(database, settings, clocks, life=timedelta(hours=1))
    for _ in range(9):
        assert await send_due_mails(database, fails_with(Away("refused")), clocks) == 0
        clocks.travel(timedelta(hours=1))
    assert (await row(database, expiring)).status == "failed"
    job = await job_of(database, waiting[0])
    assert (job.status, job.attempts) == ("waiting", 0)
    await send_due_mails(database, fails_with(Away("refused")), clocks)
    clocks.travel(timedelta(minutes=1))
    postman = Postman()
    assert await send_due_mails(database, postman, clocks) == 6


@on_sqlite
async def test_pauses_grow_until_it_is_given_up(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks, life=timedelta(days=30))
    pauses = []
    for _ in range(len(PAUSES)):
        await send_due_mails(database, fails_with(Deferred("away")), clocks)
        job = await job_of(database, mail_id)
        assert job.result == "away"
        pauses.append(round((job.due_at - clocks.wall()) / timedelta(minutes=1)))
        clocks.time = job.due_at - timedelta(seconds=1)
        assert await send_due_mails(database, Postman(), clocks) == 0
        clocks.time = job.due_at
    assert pauses == [1, 5, 15, 60, 240, 480, 720]
    assert (await row(database, mail_id)).status == "waiting"
    await send_due_mails(database, fails_with(Deferred("away")), clocks)
    mail = await row(database, mail_id)
    assert (await job_of(database, mail_id)).status == "failed"
    assert (mail.status, mail.result, mail.text) == ("failed", "gave up: away", "")


@on_sqlite
async def test_a_link_that_has_expired_is_not_sent(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    late = await put(database, settings, clocks, life=timedelta(minutes=10))
    clocks.travel(timedelta(minutes=10))
    postman = Postman()
    assert await send_due_mails(database, postman, clocks) == 0
    assert (await row(database, late)).result == "expired"
    # Nor does it wait for a try after its end.
    short = await put(database, settings, clocks, life=timedelta(minutes=1))
    await send_due_mails(database, fails_with(Deferred("away")), clocks)
    failed = await row(database, short)
    assert (failed.status, failed.result, failed.text) == ("failed", "gave up: away", "")
    assert postman.taken == []


@on_sqlite
async def test_a_mistake_in_sending_holds_up_no_other_mail_and_tells_no_content(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    bad = await put(database, settings, clocks)
    good = await put(database, settings, clocks)

    async def stumble(mail: WaitingMail) -> None:
        if mail.id == bad:
            raise ValueError(mail.text)

    with capture_logs() as logs:
        assert await send_due_mails(database, Postman(stumble), clocks) == 1
    assert (await row(database, good)).status == "sent"
    assert (await job_of(database, bad)).result == "not understood: ValueError"
    # Neither in words nor in a traceback, which would tell what it was raised from.
    (told,) = [log for log in logs if log["event"] == "job.failed"]
    assert told["exc_info"] is None
    assert CODE not in str(logs)


async def test_two_senders_side_by_side_send_each_mail_once(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mails = [await put(database, settings, clocks) for _ in range(30)]

    async def dawdle(_: WaitingMail) -> None:
        await asyncio.sleep(0.005)

    postman = Postman(dawdle)
    other = Database(settings.database_url)
    try:
        sent = await asyncio.gather(
            send_due_mails(database, postman, clocks),
            send_due_mails(other, postman, clocks),
            send_due_mails(other, postman, clocks),
        )
    finally:
        await other.dispose()
    assert sum(sent) == 30
    assert sorted(postman.taken) == sorted(mails)


async def test_who_dies_while_sending_leaves_it_to_be_sent_after_the_lease(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks)
    begun = asyncio.Event()

    async def hang(_: WaitingMail) -> None:
        begun.set()
        await asyncio.sleep(60)

    dying = asyncio.create_task(send_due_mails(database, Postman(hang), clocks))
    await begun.wait()
    postman = Postman()
    assert await send_due_mails(database, postman, clocks) == 0
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert await send_due_mails(database, postman, clocks) == 0
    clocks.travel(LEASE)
    assert await send_due_mails(database, postman, clocks) == 1
    assert postman.taken == [mail_id]
    assert (await row(database, mail_id)).status == "sent"
    assert (await job_of(database, mail_id)).status == "done"


async def test_who_takes_longer_than_the_lease_changes_nothing_any_more(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail_id = await put(database, settings, clocks)
    postman = Postman()

    async def oversleep(_: WaitingMail) -> None:
        clocks.travel(LEASE)
        await send_due_mails(database, postman, clocks)
        raise Refused("550 too late")

    await send_due_mails(database, Postman(oversleep), clocks)
    sent = await row(database, mail_id)
    assert (sent.status, sent.result) == ("sent", "taken")


@on_sqlite
async def test_in_development_the_mailbox_keeps_content_for_a_day(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    kept = await put(database, settings, clocks)
    erased = await put(database, settings, clocks, kind="erased")
    waiting = await put(database, settings, clocks, life=timedelta(days=60))
    with capture_logs() as logs:
        assert await send_due_mails(database, LogMailer(), clocks) == 3
    assert CODE in str(logs)
    mail = await row(database, kept)
    assert (mail.status, CODE in mail.text, CODE in mail.html) == ("sent", True, True)
    assert READER not in str(logs)
    assert (await row(database, erased)).recipient == READER
    clocks.travel(timedelta(hours=1))
    await queue.prune(database, clocks.wall())
    gone = await row(database, erased)
    assert (gone.recipient, gone.recipient_key, gone.text) == ("", "", "")
    assert CODE in (await row(database, kept)).text
    waiting = await put(database, settings, clocks, life=timedelta(days=60))
    clocks.travel(DAY)
    await queue.prune(database, clocks.wall())
    mail = await row(database, kept)
    assert (mail.status, mail.text, mail.html, mail.recipient) == ("sent", "", "", READER)
    assert (await row(database, erased)).recipient == ""
    assert CODE in (await row(database, waiting)).text


async def test_old_rows_go_and_what_nobody_sent_in_time_is_closed(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await put(database, settings, clocks)
    await send_due_mails(database, Postman(), clocks)
    unsent = await put(database, settings, clocks)
    clocks.travel(DAY * 29)
    await queue.prune(database, clocks.wall())
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Mail)) == 2
    closed = await row(database, unsent)
    assert (closed.status, closed.result, closed.text) == ("failed", "expired", "")
    clocks.travel(DAY)
    await queue.prune(database, clocks.wall())
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Mail)) == 0


def test_the_mailer_that_settings_ask_for() -> None:
    settings = Settings(_env_file=None)
    assert mailer_of_settings(settings) is None
    sender = settings.model_copy(update={"mail_from": "p@moewe.example"})
    assert isinstance(mailer_of_settings(sender), LogMailer)
    server = sender.model_copy(update={"smtp_url": SecretStr("smtp://127.0.0.1")})
    assert isinstance(mailer_of_settings(server), SmtpMailer)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://user:1234/abc@mail.example",
        "smtp://user:geheim/x@mail.example",
        "smtp://user:geheim#x@mail.example",
        "smtp://user:geheim?x@mail.example",
        "http://mail.example",
        "mail.example:587",
        "smtp://",
        "smtp://[::1",
        "smtp://mail.example:99999",
    ],
)
def test_an_address_that_is_no_mail_server_stops_the_start_and_is_not_told(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://user") as caught:
        Settings(_env_file=None, smtp_url=SecretStr(url))
    assert "geheim" not in str(caught.value)
