import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.postgres import (
    KEPT_FOLDER,
    MARKER,
    Binaries,
    NoPostgresError,
    PostgresServer,
    installed_binaries,
    running_postgres,
    wheel_binaries,
)

pytestmark = pytest.mark.postgres

HOLDER = """
from tests.postgres import installed_binaries, running_postgres, wheel_binaries
with running_postgres(installed_binaries() or wheel_binaries()) as server:
    print(server.url, flush=True)
    input()
"""


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def answers(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def holder() -> subprocess.Popen[str]:
    """A process of its own with a running server; its stderr ends when server and folder are gone."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("source", [installed_binaries, wheel_binaries])
async def test_each_source_gives_a_server_fit_for_the_tests(
    source: Callable[[], Binaries | None],
) -> None:
    binaries = source()
    if binaries is None:
        pytest.skip(f"{source.__name__} finds none on this machine")
    with running_postgres(binaries) as server:
        assert str(await ask(server.url, "SHOW server_version")).startswith(str(binaries.version))
        assert await ask(server.url, "SHOW server_encoding") == "UTF8"
        assert await ask(server.url, "SHOW max_connections") == "400"
        assert await ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(server.url, "SELECT lower('ÉTÉ')") == "été"
    assert not answers(server.url)


async def test_a_database_is_made_anew_each_time(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("made_anew")
    assert urlsplit(url).path == "/made_anew"
    await ask(url, "CREATE TABLE leftover ()")
    await ask(postgres_server.create_database("made_anew"), "CREATE TABLE leftover ()")


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder that `nobody` may enter: as root the server is theirs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_kept_server_has_its_databases_again(kept: Path) -> None:
    folder = kept / KEPT_FOLDER
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "leftover").touch()  # of a first start that was interrupted
    (folder / MARKER).touch()
    with running_postgres(kept=kept) as server:
        server.create_database("being_filled")
        server.rename_database("being_filled", "filled")
    with running_postgres(kept=kept) as server:
        assert server.has_database("filled")
        assert not server.has_database("being_filled")


async def test_a_kept_folder_has_one_server_at_a_time(kept: Path) -> None:
    with running_postgres(kept=kept) as server:
        configuration = kept / KEPT_FOLDER / "data" / "postgresql.conf"
        before = configuration.read_text()
        with (
            pytest.raises(NoPostgresError, match="Another bench uses"),
            running_postgres(kept=kept),
        ):
            pytest.fail("two servers on one folder")
        assert configuration.read_text() == before
        # One that runs there without the lock stays, too.
        (kept / KEPT_FOLDER / MARKER).unlink()
        (kept / KEPT_FOLDER / MARKER).touch()
        with (
            pytest.raises(NoPostgresError, match="A PostgreSQL runs on"),
            running_postgres(kept=kept),
        ):
            pytest.fail("two servers on one folder")
        assert await ask(server.url, "SELECT 1") == 1


@pytest.mark.parametrize("name", ["postgres", KEPT_FOLDER])
def test_what_others_have_in_a_kept_folder_stays(kept: Path, name: str) -> None:
    thesis = kept / name / "thesis.txt"
    thesis.parent.mkdir()
    thesis.touch()
    refused = pytest.raises(NoPostgresError, match="Move them away, or choose another DATA")
    with refused if name == KEPT_FOLDER else contextlib.nullcontext(), running_postgres(kept=kept):
        pass
    assert thesis.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(NoPostgresError, match="Choose another DATA"),
        running_postgres(kept=tmp_path / "file"),
    ):
        pytest.fail("a file is no folder")


def test_a_database_takes_a_plain_name_only(postgres_server: PostgresServer) -> None:
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        postgres_server.create_database('x"; DROP DATABASE postgres; --')


def test_a_server_named_in_the_environment_is_used_as_it_is() -> None:
    given = "postgresql://someone@db.example:5432/tests"
    with running_postgres(environment={"TEST_DATABASE_URL": given}) as server:
        assert server.url == given


def test_a_server_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    program = tmp_path / "package" / "bin" / "initdb"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho no room here >&2; exit 1\n")
    program.chmod(0o755)
    crippled = Binaries(program.parent, 17, package=tmp_path / "package")
    with pytest.raises(NoPostgresError, match="no room here"), running_postgres(crippled):
        pytest.fail("no server can be running")


def test_a_killed_run_leaves_no_server_behind() -> None:
    with holder() as run:
        assert run.stdout
        assert run.stderr
        url = run.stdout.readline().strip()
        assert answers(url)
        os.kill(run.pid, signal.SIGKILL)
        assert run.stderr.read() == ""
    assert not answers(url)


def test_all_workers_of_a_run_share_one_server(tmp_path: Path) -> None:
    (tmp_path / "test_shared.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_shared(postgres_server, number):\n"
        "    worker = os.environ['PYTEST_XDIST_WORKER']\n"
        f"    pathlib.Path({str(tmp_path)!r}, worker).write_text(postgres_server.url)\n"
    )
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2"),
            *("-p", "xdist", "-p", "tests.postgres", "-c", os.devnull, tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{
                key: value
                for key, value in os.environ.items()
                if key != "TEST_DATABASE_URL" and not key.startswith("PYTEST_")
            },
            # To load the others takes longer than the test.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )
    assert run.returncode == 0, run.stdout + run.stderr
    addresses = {(tmp_path / worker).read_text() for worker in ("gw0", "gw1")}
    assert len(addresses) == 1
    assert not answers(addresses.pop())
