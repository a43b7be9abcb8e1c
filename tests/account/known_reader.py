"""A reader of whom everything is held that can be: reads, purchase, devices, mails, gifts, notes."""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx2
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from service.account.erase import Sweep
from service.db.context import Context
from service.db.session import Database
from service.db.tables import AccessEntry
from service.identity.cookies import cookie_name
from service.identity.devices import pseudonym
from service.identity.secrets import derived_key
from service.identity.sign_in_requests import create_sign_in_link
from service.outbox.endpoints import create_endpoint
from service.outbox.webhook_signing import SEALED_FOR
from service.payments.gateway import Gateway
from service.reports.rollups import roll_day
from service.settings import Settings
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.served import Installation, installation

ADDRESS = "ana@example.org"
CAMPAIGN = "letter-to-ana"
WORDING = "Send me the Gazette's letter on Saturdays"
NOTE = "Won the harbour prize draw"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TICK = timedelta(seconds=1)
T = TypeVar("T")


@dataclass
class Mailbox:
    """What a mail server on this machine has been given."""

    received: list[tuple[str, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's
        self.received.append((envelope.rcpt_tos[0], envelope.content))
        return "250 OK"

    def link_after(self, before: int) -> str:
        """The secret of the link in the next mail that has one: the purchase is confirmed by mail too."""
        found: list[str] = []

        def came() -> bool:
            for _, content in self.received[before:]:
                message = message_from_bytes(content, policy=policy.default)
                body = message.get_body(("plain",))
                assert body is not None
                found.extend(re.findall(r"token=([A-Za-z0-9_-]+)", body.get_content()))
            return bool(found)

        wait_until(came, "a mail with a link comes")
        return found[0]


@dataclass
class Site:
    """A running service whose mails arrive."""

    at: Installation
    mailbox: Mailbox

    @property
    def url(self) -> str:
        return self.at.settings.database_url

    def with_gateway(self, act: Callable[[Database, Gateway], Awaitable[T]]) -> T:
        async def run(database: Database) -> T:
            gateway = self.at.new_gateway()
            try:
                return await act(database, gateway)
            finally:
                await gateway.close()

        return self.at.in_database(run)

    def sign_in(
        self, browser: httpx2.Client, address: str = ADDRESS, session: str = "cookie"
    ) -> dict[str, Any]:
        """Sign in by the code of a mail; the answer."""
        self.at.clocks.travel(TICK)
        before = len(self.mailbox.received)
        asked = browser.post("/v1/sign-in", json={"email": address})
        assert asked.status_code == 202, asked.text
        token = self.mailbox.link_after(before)
        answer = browser.post("/v1/sign-in/confirm", json={"token": token, "session": session})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def sweep(self) -> None:
        """What the service does of itself every minute after an erasure."""

        async def act(database: Database, gateway: Gateway) -> int:
            return await Sweep()(Context(self.at.settings, self.at.clocks, database), gateway)

        self.with_gateway(act)

    def dump(self) -> str:
        """Everything that is stored: the file's bytes, or all columns of all tables."""
        if self.url.startswith("sqlite"):
            path = self.url.removeprefix("sqlite:///")
            with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Path(path).read_bytes().decode("latin-1")
        return asyncio.run(_all_rows(self.url))


async def _all_rows(url: str) -> str:
    connection = await asyncpg.connect(urlsplit(url).geturl())
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        assert len(tables) > 20
        found = [
            str(row[0])
            for table in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{table[0]}" t')  # noqa: S608
        ]
    finally:
        await connection.close()
    return "\n".join(found)


@contextlib.contextmanager
def mailing_site(
    settings: Settings, clocks: MovingClocks, *, webhooks: bool = True
) -> Iterator[Site]:
    mailbox, port = Mailbox(), free_port()
    controller: Any = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    mailing = settings.model_copy(
        update={
            "mail_from": "Gazette <hello@gazette.example.org>",
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"),
            "sign_in_mails_per_hour": 100,
            "newsletter_wording": WORDING,
            "rights_by_account": True,
            "rights_provisional_days": 7,
            # What is slow here is this machine, not Stripe.
        }
    )
    try:
        with installation(mailing, clocks, webhooks=webhooks) as made:
            made.publish("a", access={"level": "subscribers"})
            made.publish("b")
            made.publish("c")
            yield Site(made, mailbox)
    finally:
        controller.stop()


@dataclass
class Known:
    """The reader, with what identifies them and opens their account."""

    reader_id: str
    device_ids: list[str]
    session_cookie: str
    other: httpx2.Client
    app: dict[str, Any]
    """The answer to the app's sign-in, with both tokens."""

    @property
    def traces(self) -> list[str]:
        """What must be nowhere after erasing."""
        return [
            ADDRESS,
            NOTE,
            CAMPAIGN,
            WORDING,
            "Firefox",
            *self.device_ids,
            *map(pseudonym, self.device_ids),
        ]


def await_in_the_ledger(site: Site, reader_id: str) -> None:
    """Rows of what counts nothing are written in the background."""

    def recorded() -> bool:
        return any(each.reader_id == reader_id for each in rows(site.at, AccessEntry))

    wait_until(recorded, "the reader's own read is in the ledger")


def known_reader(site: Site) -> Known:
    """Read anonymously, buy a day, then more; confirm the address, sign in elsewhere and in an app,
    be given a comp that is revoked and a right, ask for another address; and the day's reads are added up.
    """
    browser = site.at.browser
    browser.headers["User-Agent"] = FIREFOX
    read = {"campaign": {"source": "letter", "campaign": CAMPAIGN}}
    assert browser.post("/v1/articles/b/unlock", json=read).status_code == 200

    async def listen(database: Database) -> None:
        """A system of the newsroom receives everything; it can't be reached from here."""
        async with database.transaction() as session:
            await create_endpoint(
                session, url="https://127.0.0.1/", types=["*"], description="",
                sealing_key=derived_key(site.at.settings, SEALED_FOR), now=site.at.clocks.wall(),
            )  # fmt: skip

    site.at.in_database(listen)
    sell(site.at, "day", amount=200, currency="EUR", interval="day", kind="pass")
    site.at.subscribe("day", newsletter=True, campaign={"campaign": CAMPAIGN})
    site.at.subscribe()
    site.sign_in(browser)
    reader_id: str = browser.get("/v1/me").json()["id"]
    assert site.at.unlock("a").json()["reason"] == "subscription"
    assert browser.get("/articles/a").status_code == 200
    other = site.at.new_browser()
    assert site.at.unlock("c", other).status_code == 200
    site.sign_in(other)
    assert other.get("/v1/me").json()["id"] == reader_id
    with site.at.new_browser() as app:
        tokens = site.sign_in(app, session="token")
    given = browser.post(
        "/v1/admin/grants", json={"reader_id": reader_id, "ends_at": None, "note": NOTE},
        headers={"Authorization": f"Bearer {site.at.api_key}"},
    )  # fmt: skip
    assert given.status_code == 201, given.text
    written = browser.post(
        f"/v1/admin/subscribers/{reader_id}/notes", json={"text": NOTE},
        headers={"Authorization": f"Bearer {site.at.api_key}"},
    )  # fmt: skip
    assert written.status_code == 201, written.text
    site.at.clocks.travel(TICK)
    taken = browser.delete(
        f"/v1/admin/grants/{given.json()['id']}",
        headers={"Authorization": f"Bearer {site.at.api_key}"},
    )
    assert taken.status_code == 200, taken.text

    right = browser.put(
        "/v1/admin/entitlements/print/KD-4711", json={"plan": "digital", "email": ADDRESS},
        headers={"Authorization": f"Bearer {site.at.api_key}"},
    )  # fmt: skip
    assert right.json()["reader_id"] == reader_id
    claimed = browser.post(
        "/v1/me/entitlements", json={"account_number": "KD-0815", "postcode": "1000-001"}
    )
    assert claimed.json()["state"] == "provisional", claimed.text

    async def make_link(database: Database) -> None:
        async with database.transaction() as session:
            await create_sign_in_link(session, reader_id=reader_id, now=site.at.clocks.wall())

    site.at.in_database(make_link)

    await_in_the_ledger(site, reader_id)

    async def add_up(database: Database) -> None:
        """The reports' rows of the day."""
        now = site.at.clocks.business()
        day = now.astimezone(site.at.settings.zone).date()
        await roll_day(database, day, now=now)

    site.at.in_database(add_up)
    wanted = browser.post("/v1/me/address", json={"email": "another@example.org"})
    assert wanted.status_code == 202, wanted.text
    settings = site.at.settings
    devices = [
        str(each.cookies[cookie_name("device", settings)]).split(".")[1]
        for each in (browser, other)
    ]
    cookie = browser.cookies[cookie_name("session", settings)]
    return Known(reader_id, devices, cookie, other, tokens)
