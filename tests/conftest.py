"""What all tests share: both databases, settings, and clocks that a test moves."""

import asyncio
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import structlog
from pydantic import SecretStr
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling, Scheduling

from service.clock import Clocks
from service.db import migrate
from service.db.session import Database
from service.metering.partitions import make_partitions
from service.settings import Settings
from tests.databases import EmptiedDatabases, Once, folder_in_memory, made_once
from tests.postgres import PostgresServer
from tests.reports.sampled import TIMES

pytest_plugins = ["tests.postgres", "tests.statements"]

# Tests talk to this machine alone, and each client would load the system's authorities first: that
# takes longer than most requests.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull

# Where a shell runs the tests in its background, Ctrl-C is ignored, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before each request httpcore looks for this package in every folder: where it isn't, that takes as long as a query.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

# As it is unless a test sets it up, with tracebacks that aren't painted: that takes longer than a request.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# Other cases at each run, so some of them will do; `make soak` plays more. How long one takes is the bench's subject: the
# machine is shared.
hypothesis.settings.register_profile(
    "sampled", max_examples=25 * int(os.environ.get(TIMES, "1")), deadline=None
)
hypothesis.settings.load_profile("sampled")


class ByFunction(LoadGroupScheduling):  # type: ignore[misc] # xdist ships no types
    """Hands out the cases of a function together: what is handed out is counted again for each piece."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return scope.partition("[")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return ByFunction(config, log) if config.getoption("dist") == "loadgroup" else None


START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


class MovingClocks(Clocks):
    """Both clocks, standing still until a test moves them."""

    def __init__(self, start: datetime = START) -> None:
        self.time, self.passed = start, 0.0
        super().__init__(wall=lambda: self.time, monotonic=lambda: self.passed)

    def travel(self, by: timedelta) -> datetime:
        """Let wall and business time pass; less than nothing: the clock is set back."""
        self.time += by
        self.passed += max(by.total_seconds(), 0.0)
        return self.time


@pytest.fixture
def clocks() -> MovingClocks:
    return MovingClocks()


@pytest.fixture
def sqlite_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where the test's SQLite files are."""
    with folder_in_memory(lambda: request.getfixturevalue("tmp_path")) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('sqlite_folder') / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"test_{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """The file of a name that `make` writes: of all workers, the first that needs it makes it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own
    return lambda name, make: made_once(shared / name, make)


@pytest.fixture(scope="session")
def migrated_file(once: Once) -> Path:
    """A migrated SQLite database, to be copied."""
    return once("paywall.db", lambda path: asyncio.run(migrate.migrate(f"sqlite:///{path}")))


@pytest.fixture(scope="session")
def template_file(migrated_file: Path) -> Path:
    """What each test's SQLite database is a copy of; a folder may have one with rows in it."""
    return migrated_file


@pytest.fixture(scope="session")
def migrated_name(postgres_server: PostgresServer, once: Once) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""

    def make(path: Path) -> None:
        name = f"template_{secrets.token_hex(6)}"
        asyncio.run(_migrate_with_months(postgres_server.create_database(name)))
        path.write_text(name)

    return once("migrated-name", make).read_text()


async def _migrate_with_months(url: str) -> None:
    """With the ledger's months in which most tests play: a copy with others serves no other test."""
    await migrate.migrate(url)
    database = Database(url)
    for month in (START, START + timedelta(days=92), datetime.now(UTC)):
        await make_partitions(database, month.date().replace(day=1))
    await database.dispose()


@pytest.fixture(scope="session")
def emptied_databases(
    postgres_server: PostgresServer, migrated_name: str
) -> Iterator[EmptiedDatabases]:
    """PostgreSQL databases for one test after another."""
    databases = EmptiedDatabases(postgres_server, migrated_name)
    yield databases
    databases.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database, migrated and without rows, that is nobody else's."""
    if request.param == "sqlite":
        path = request.getfixturevalue("sqlite_folder") / "paywall.db"
        shutil.copyfile(request.getfixturevalue("template_file"), path)
        yield f"sqlite:///{path}"
        return
    databases: EmptiedDatabases = request.getfixturevalue("emptied_databases")
    with databases.one() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_of(database_url)


@pytest.fixture
def plain_settings() -> Settings:
    """For what asks no database."""
    return settings_of("sqlite:///none.db")


def settings_of(database_url: str) -> Settings:
    """What every test starts from."""
    return _settings().model_copy(update={"database_url": database_url})


@cache
def _settings() -> Settings:
    """Made once: to read and check them takes longer than most requests."""
    return Settings(
        _env_file=None,
        secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"),
        public_url="http://127.0.0.1:8000",
        insecure_cookies=True,
        publication="gazette",
        time_zone="Europe/Lisbon",
        background_interval_seconds=0.5,
    )
