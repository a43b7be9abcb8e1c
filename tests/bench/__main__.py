"""`make bench`: what takes how much longer than what. Ratios of one run only, so any machine will do.

PART=reads compares reading with the ceilings of the machine, PART=origin counts what page views ask of the
service behind a cache and an edge, PART=open-loop raises a fixed rate until
it isn't held, PART=scale reads beside many times as many rows, PART=profile tells where the time goes,
PART=reports asks every report beside a million subscribers, PART=pages every page and list of the back office,
PART=others measures every other route beside bare FastAPI,
PART=decision measures the decision by itself, and unlocking with ten grants, ten rules and an experiment,
PART=footprint measures memory and start-up, PART=times looks for differences that tell secrets.
"""

import argparse
import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from secrets import token_hex

import httpx2
import structlog
from pydantic import SecretStr

from service.db import migrate
from service.db.session import Database
from service.grants.store import put_grant
from service.identity.operators import create_operator
from service.identity.passwords import ARGON2ID
from service.settings import Settings
from tests.account.visitor import Visitor, client_of
from tests.bench import decision, footprint, open_loop, origin, pages, profiled, reports, scaled
from tests.bench.others import others
from tests.bench.ratios import Doing, compare, interleaved, repeatable
from tests.bench.reads import HEAD, Given, bench
from tests.bench.said import Say, say
from tests.conftest import MovingClocks
from tests.inside import Paywall, inside
from tests.mailbox import newest_mail
from tests.postgres import NoPostgresError, running_postgres
from tests.running import exchange

READERS = 40
QUARTER = timedelta(minutes=16)
ANYTHING = "an-answer-to-nothing"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Paywall]:
    """The application in this process, on a new SQLite database on disk."""
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{folder / 'bench.db'}",
        secret_key=SecretStr("a-secret-key-for-benches-of-enough-length"),
        insecure_cookies=True,
        publication="gazette",
        mail_from="Gazette <hello@gazette.example>",
        sign_in_mails_per_hour=1000,
        sign_in_requests_per_hour=100_000,
        background_interval_seconds=60,
    )
    await migrate.prepare(settings.database_url)
    database = Database(settings.database_url)
    async with inside(database, settings, MovingClocks()) as paywall:
        yield paywall
    await database.dispose()


async def sign_in_mails(paywall: Paywall, rounds: int, pairs: int, say: Say) -> None:
    """Asking for a sign-in mail, for addresses with an account and for others."""
    random = repeatable(1)
    async with client_of(paywall.app, paywall.settings) as client:
        for n in range(READERS):
            visitor = Visitor(client, paywall.settings)
            await visitor.ask(f"known{n:02}@gazette.example")
            mail = await newest_mail(paywall.database, f"known{n:02}@gazette.example")
            assert (await visitor.confirm(token=mail.token)).status_code == 200
        paywall.clocks.travel(timedelta(days=3))

        def asking(kind: str) -> Doing:
            async def ask() -> None:
                stranger = Visitor(client, paywall.settings)
                answer = await stranger.ask(f"{kind}{random.randrange(READERS):02}@gazette.example")
                assert answer.status_code == 202, answer.text

            return ask

        await told(
            "a sign-in mail to a known against an unknown address",
            asking("known"), asking("other"), rounds, pairs, random, say,
        )  # fmt: skip


async def operators(paywall: Paywall, rounds: int, pairs: int, say: Say) -> None:
    """A wrong password for an operator's address and for nobody's."""
    random = repeatable(2)
    exchange(paywall.app, ARGON2ID)
    async with paywall.database.transaction() as session:
        await create_operator(
            session, email="known@gazette.example", password=ANYTHING, role="viewer",
            now=paywall.clocks.wall(),
        )  # fmt: skip
    async with client_of(paywall.app, paywall.settings) as client:

        def guessing(email: str) -> Doing:
            async def guess() -> None:
                paywall.clocks.travel(QUARTER)  # no limit is reached, which would answer sooner
                form = {"email": email, "password": "wrong horse battery"}
                answer = await client.post("/admin/sign-in", data=form)
                assert answer.status_code == 401, answer.text

            return guess

        await told(
            "an operator's wrong password for a known against an unknown address",
            guessing("known@gazette.example"), guessing("other@gazette.example"),
            rounds, pairs, random, say,
        )  # fmt: skip


async def sessions(paywall: Paywall, rounds: int, pairs: int, say: Say) -> None:
    """Reading by cookie and by bearer, and exchanging a session's token."""
    random = repeatable(3)
    await paywall.publish("p", access={"level": "subscribers"})
    reader_id = await paywall.sign_in()
    async with paywall.database.transaction() as session:
        await put_grant(
            session, source="subscription", reference="bench", reader_id=reader_id,
            scope="everything", starts_at=paywall.clocks.business(), ends_at=None,
            now=paywall.clocks.business(),
        )  # fmt: skip
    access = await paywall.access_token()
    bearer = {"Authorization": f"Bearer {access}"}
    async with paywall.new_client() as app:

        async def by_cookie() -> None:
            _ok(await paywall.unlock("p"))

        async def by_bearer() -> None:
            _ok(await app.post("/v1/articles/p/unlock", headers=bearer))

        async def by_token_alone() -> None:
            _ok(await paywall.full("p", access))

        async def exchange() -> None:
            _ok(await paywall.client.post("/v1/session/token"))

        for name, first, second in (
            ("unlocking by cookie against by bearer", by_cookie, by_bearer),
            ("unlocking by cookie against reading by token alone", by_cookie, by_token_alone),
            ("a session's access token against unlocking", exchange, by_cookie),
        ):
            await told(name, first, second, rounds, pairs, random, say)
        paywall.clocks.travel(timedelta(minutes=1))

        async def rotate() -> None:
            paywall.clocks.travel(timedelta(seconds=31))
            await exchange()

        await told(
            "rotating a session against unlocking", rotate, by_cookie, rounds, pairs, random, say
        )


def _ok(answer: httpx2.Response) -> None:
    assert answer.status_code == 200, answer.text


async def told(
    name: str, first: Doing, second: Doing, rounds: int, pairs: int, random: Random, say: Say
) -> None:
    """Measure several rounds, say what all of them together show, and each one's ratio."""
    await interleaved(first, second, 10, random)
    firsts: list[float] = []
    seconds: list[float] = []
    ratios = []
    for _ in range(rounds):
        one, other = await interleaved(first, second, pairs, random)
        ratios.append(f"{compare(one, other).ratio:.3f}")
        firsts += one
        seconds += other
    say(
        f"{name}: {compare(firsts, seconds)} ({rounds} rounds of {pairs} pairs: {' '.join(ratios)})"
    )


async def times(rounds: int, pairs: int) -> None:
    """What takes how much longer than what, in one process."""
    for part, share in ((sign_in_mails, 1.0), (operators, 0.2), (sessions, 1.0)):
        with tempfile.TemporaryDirectory() as folder:
            async with running(Path(folder)) as paywall:
                await part(paywall, rounds, max(20, int(pairs * share)), say)


async def beside_bare(rounds: int, pairs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as paywall:
            await others(paywall, rounds, pairs, say)


async def deciding(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, loaded = Path(folder) / "plain", Path(folder) / "loaded"
        plain.mkdir()
        loaded.mkdir()
        async with running(plain) as one, running(loaded) as other:
            await decision.decisions(one, rounds, say)
            await decision.unlocks(one, other, max(rounds, 15), say)


def reads(given: Given) -> None:
    """Reading over HTTP on both databases, beside raw ASGI and bare FastAPI."""
    with databases() as (folder, make):
        for name, workers in (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 2)):
            processes = "one process" if workers == 1 else f"{workers} workers"
            say(f"\n{name}, {processes}, {given.connections} connections:\n")
            for line in HEAD:
                say(line)
            bench(make(name), folder, replace(given, workers=workers), say)
        origin.bench(make, say)


@contextmanager
def databases() -> Iterator[tuple[Path, Callable[[str], str]]]:
    """A folder, and what makes a new database by its kind's name; the one before it is gone then."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:

        def make(kind: str) -> str:
            name = f"bench_{token_hex(4)}"
            on_sqlite = f"sqlite:///{folder}/{name}.db"
            return on_sqlite if kind == "SQLite" else postgres.create_database(name)

        yield Path(folder), make


PARTS = (
    "times",
    "reads",
    "open-loop",
    "scale",
    "profile",
    "footprint",
    "reports",
    "pages",
    "others",
    "decision",
    "origin",
)
USED_BY = {"data": ("reports", "pages"), "scale": ("reports", "pages", "scale")}
"""Options that only some parts use."""


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """An option that the part doesn't use is refused: nobody is to wait for what it would have changed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "part", nargs="?", choices=PARTS, help="one part alone (else: times, reads)"
    )
    parser.add_argument("--scale", type=int, help="how many times as many rows (100)")
    parser.add_argument("--rounds", type=int, help="of each measurement (3; of reads 1)")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seconds", type=int, help="of a round under load (4; of reads 1)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--data", type=Path, help="where reports and pages keep what they filled")
    asked = parser.parse_args(arguments)
    for option, parts in USED_BY.items():
        if getattr(asked, option) is not None and asked.part not in parts:
            users = " or ".join(f"PART={each}" for each in parts)
            parser.error(
                f"{option.upper()} is used by {users} alone: omit it, or add one of those."
            )
    return asked


def run(asked: argparse.Namespace) -> None:
    rounds, scale = asked.rounds or 3, asked.scale or 100
    given = Given(asked.seconds or 4, rounds, asked.connections)
    if asked.part in {None, "times"}:
        asyncio.run(times(rounds, asked.pairs))
    if asked.part in {None, "reads"}:
        # 24 rows, each beside two ceilings: a round of a second takes more than a minute of load, three of four seconds
        # a quarter of an hour.
        reads(replace(given, seconds=asked.seconds or 1, rounds=asked.rounds or 1))
    elif asked.part == "decision":
        asyncio.run(deciding(rounds))
        with databases() as (_, make):
            decision.over_http(make, given, say)
    elif asked.part == "others":
        asyncio.run(beside_bare(rounds, asked.pairs))
    elif asked.part in {"reports", "pages"}:
        with running_postgres(kept=asked.data) as server:
            part = reports if asked.part == "reports" else pages
            part.bench(server, scale, rounds, say, is_kept=asked.data is not None)
    elif asked.part != "times":
        in_databases(asked.part, given, scale)


def in_databases(part: str, given: Given, scale: int) -> None:
    with databases() as (folder, make):
        match part:
            case "open-loop":
                open_loop.bench(make, given, say)
            case "scale":
                scaled.bench(make, scale, given, say)
            case "profile":
                profiled.bench(make, folder, given, say)
            case "origin":
                origin.bench(make, say)
            case "footprint":
                footprint.bench(make, given, say)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        run(read_options())
    except NoPostgresError as error:
        raise SystemExit(str(error)) from None
