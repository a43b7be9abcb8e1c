"""The commands as processes of their own, as a shell or a service manager runs them."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from service.settings import Settings
from tests.cli.conftest import Paywall, one_sentence, variables_of
from tests.content.importers.exports import channel, item
from tests.databases import on_sqlite
from tests.forked import Command, command, processes, without_settings
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port

pytestmark = [processes]
POSTS, LONG = 500, "long-" * 30 + "name"
"""What is reported of them has more room than any pipe."""


def started(settings: Settings, *arguments: str) -> "contextlib.AbstractContextManager[Command]":
    return command(*arguments, environment={**without_settings(), **variables_of(settings)})


def wait_for(url: str, process: Command) -> None:
    def answers() -> bool:
        assert process.poll() is None, process.err
        headers = {"Authorization": "Bearer sk_test_1"}
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(url, headers=headers, timeout=PATIENCE).status_code == 200
        return False

    wait_until(answers, url)


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, Command]]:
    """`paywall serve`, ready; ended by SIGTERM, which has to do."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(settings, "serve", "--port", str(port)) as process:
        wait_for(f"{url}/readyz", process)
        yield url, process
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_a_read_is_counted(settings: Settings, paywall: Paywall) -> None:
    """The command, its server, the database and the meter, on each database."""
    made = paywall("api-keys", "create", "--label", "cms", "--scope", "articles:write")
    key = {"Authorization": f"Bearer {made.first_word}"}
    article = {
        "title": "Tides", "body": "<p>High.</p>" * 40, "body_format": "html",
        "status": "published", "access": {"level": "metered"},
    }  # fmt: skip
    with serving(settings) as (url, _), httpx2.Client(base_url=url, timeout=PATIENCE) as client:
        put = client.put("/v1/admin/articles/tides", json=article, headers=key)
        assert put.status_code == 201, put.text
        client.cookies.clear()
        read = client.post("/v1/articles/tides/unlock")
    assert read.status_code == 200, read.text
    assert (read.json()["consumed"], read.json()["meter"]["used"]) == (True, 1)


@on_sqlite
def test_sqlite_is_served_by_one_process(settings: Settings, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(settings.database_url.removeprefix("sqlite:///"))
    by_another_name = settings.model_copy(update={"database_url": f"sqlite:///{link}"})
    with serving(settings) as (url, _):
        for other in (settings, by_another_name):
            with started(other, "serve", "--port", str(free_port())) as second:
                assert (second.wait(), second.out) == (1, "")
                assert one_sentence(second.err), second.err
                assert "serves" in second.err
                assert "PostgreSQL" in second.err
        assert httpx2.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200
    with serving(settings):  # the lock has gone with its process
        pass


@on_sqlite
def test_sqlite_takes_no_workers(settings: Settings) -> None:
    with started(settings, "serve", "--port", str(free_port()), "--workers", "2") as process:
        assert (process.wait(), process.out) == (1, "")
        assert one_sentence(process.err), process.err
        assert "--workers 2" in process.err
        assert "PostgreSQL" in process.err


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_is_served_by_several(settings: Settings) -> None:
    with serving(settings) as (first, _), serving(settings) as (second, _):
        keys = [
            httpx2.get(f"{url}/.well-known/jwks.json", timeout=PATIENCE).json()
            for url in (first, second)
        ]
    assert keys[0] == keys[1]


@on_sqlite
def test_a_taken_port_is_told(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("serve", "simulate"):
            with started(settings, name, "--port", str(port)) as process:
                assert process.wait() == 1
                assert one_sentence(process.err), process.err
                assert f"Port {port} " in process.err


@on_sqlite
def test_the_log_is_ours_and_the_server_tells_nothing_of_itself(settings: Settings) -> None:
    with serving(settings) as (url, process):
        answer = httpx2.get(
            f"{url}/healthz?session_id=secret",
            headers={"X-Request-Id": "asked-123"},
            timeout=PATIENCE,
        )
        process.send_signal(signal.SIGTERM)
        process.wait()
        err = process.err
    assert "server" not in answer.headers
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[0]["event"] == "serving"
    (ours,) = [line for line in lines if line.get("request_id") == "asked-123"]
    assert (ours["event"], ours["path"], ours["status"]) == ("request", "/healthz", 200)
    assert "secret" not in err


@on_sqlite
def test_an_interrupted_import_can_be_repeated(
    settings: Settings, paywall: Paywall, tmp_path: Path
) -> None:
    posts = (
        item({"wp:post_id": str(n), "wp:post_name": f"post-{n}-{LONG}", "guid": f"g{n}"})
        for n in range(POSTS)
    )
    export = tmp_path / "export.xml"
    export.write_bytes(channel("".join(posts)))
    paywall("migrate")
    importing = ("import", "wordpress", str(export))
    # It can't come to its end before somebody reads what it reports.
    report = tmp_path / "report"
    os.mkfifo(report)
    with (
        os.fdopen(os.open(report, os.O_RDONLY | os.O_NONBLOCK), "rb") as reading,
        contextlib.closing(sqlite3.connect(file_of(settings))) as watching,
        started(settings, *importing, "--report", str(report)) as process,
    ):
        articles = "SELECT count(*) FROM articles"
        wait_until(lambda: watching.execute(articles).fetchone() != (0,), "an article comes")
        process.send_signal(signal.SIGINT)
        os.set_blocking(reading.fileno(), True)
        assert reading.read().count(b"\n") < POSTS
        assert (process.wait(), process.out) == (1, "")
        interrupted = "Interrupted. What was imported is kept; run it again and it goes on."
        assert process.err.strip() == interrupted
    again = paywall(*importing)
    found = re.match(r"(\d+) articles were created, 0 updated, (\d+) left unchanged", again.out)
    assert found, again.out + again.err
    created, unchanged = int(found[1]), int(found[2])
    assert created + unchanged == POSTS
    assert created > 0
    assert unchanged > 0


def file_of(settings: Settings) -> str:
    return settings.database_url.removeprefix("sqlite:///")


@on_sqlite
def test_the_local_stripe_runs_alone_and_keeps_its_data(settings: Settings, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "stripe" / "world.db"
    url = f"http://127.0.0.1:{port}"
    bearer = {"Authorization": "Bearer sk_test_1"}
    made = []
    for _ in range(2):
        simulating = ("simulate", "--port", str(port), "--data", str(data), "--chaos-seed", "7")
        with started(settings, *simulating) as process:
            wait_for(f"{url}/v1/customers", process)
            httpx2.post(f"{url}/v1/customers", headers=bearer, timeout=PATIENCE).raise_for_status()
            made.append(
                len(
                    httpx2.get(f"{url}/v1/customers", headers=bearer, timeout=PATIENCE).json()[
                        "data"
                    ]
                )
            )
            assert httpx2.get(f"{url}/_sim/chaos", timeout=PATIENCE).json()["seed"] == 7
            process.send_signal(signal.SIGTERM)
            process.wait()
            told = f"PAYWALL_STRIPE_API_BASE={url} PAYWALL_STRIPE_SECRET_KEY=sk_test_"
            assert told in process.out
            assert f"seed 7; {url}/_sim/chaos changes that" in process.out
            assert process.err == ""
    assert made == [1, 2]


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "--help"], capture_output=True, text=True, check=True
    )
    assert "Example: paywall demo" in done.stdout
