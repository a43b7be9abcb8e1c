"""The demo's first minutes, and everything that can be wrong about where it shall live."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from service.db import migrate
from service.db.session import Database
from service.demo.history.systems import RECEIVER
from service.demo.multitude import VERSION
from service.demo.place import settings_in
from service.identity.audit import record
from tests.demo.process import Demo, running_demo
from tests.forked import command, processes
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port

pytestmark = [processes]
SIGNED_IN = "Sign out"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """For what changes nothing that another test looks at."""
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def refused(data: Path, port: int) -> str:
    """What a demo says that doesn't start."""
    with command("demo", "--port", str(port), "--data", str(data)) as process:
        assert process.wait() == 1
        return the_sentence(process.err)


def the_sentence(err: str) -> str:
    assert "Traceback" not in err
    (sentence,) = err.strip().splitlines()
    return sentence


def begin_to_fill(data: Path, port: int, **begun: object) -> None:
    """Note what an interrupted start had begun."""
    settings = settings_in(data, port, name="The Gazette", time_zone="Europe/Lisbon")

    async def begin() -> None:
        await migrate.prepare(settings.database_url)
        database = Database(settings.database_url)
        async with database.transaction() as session:
            await record(
                session, actor="demo", action="demo.multitude", target="multitude",
                after={"today": "2026-03-10", "is_whole": False, **begun}, now=datetime.now(UTC),
            )  # fmt: skip
        await database.dispose()

    asyncio.run(begin())


def test_the_start_after_an_interrupted_one_prints_a_password(tmp_path: Path) -> None:
    """The interrupted one made the operator, and printed nothing."""
    with running_demo(tmp_path) as demo:
        never_printed = demo.password
    begin_to_fill(tmp_path, demo.port, subscribers=30, version=VERSION)
    with running_demo(tmp_path, demo.port) as again:
        assert again.password != never_printed
        with httpx2.Client(base_url=again.url, follow_redirects=True, timeout=PATIENCE) as operator:
            form = {"email": "editor@ternsey.example", "password": again.password}
            assert SIGNED_IN in operator.post("/admin/sign-in", data=form).text


def test_what_another_release_began_does_not_go_on(tmp_path: Path) -> None:
    """That one noted no version of its rows."""
    port = free_port()
    begin_to_fill(tmp_path, port, subscribers=30_000)
    assert refused(tmp_path, port) == (
        f"Another release was interrupted while it filled the demo in {tmp_path}: delete the folder and start again."
    )


def test_a_second_start_finds_its_data_on_another_port(tmp_path: Path) -> None:
    data = tmp_path / "some folder" / "data"
    with running_demo(data) as demo:
        first = httpx2.get(f"{demo.url}/v1/articles?limit=100", timeout=PATIENCE).json()
        offers = httpx2.get(f"{demo.url}/v1/offers", timeout=PATIENCE).json()
        page = httpx2.get(f"{demo.url}/", timeout=PATIENCE)
        assert page.status_code == 200
        password = demo.password
    assert len(first["items"]) == 13
    levels = [item["access"]["level"] for item in first["items"]]
    assert (levels.count("free"), levels.count("subscribers")) == (2, 2)
    assert {offer["currency"] for offer in offers["items"]} == {"EUR", "USD"}
    assert [offer["trial_days"] for offer in offers["items"]].count(14) == 1
    kept = data / "paywall.env"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with running_demo(data) as again:
        assert password not in again.greeting
        assert httpx2.get(f"{again.url}/v1/offers", timeout=PATIENCE).json() == offers
        with httpx2.Client(base_url=again.url, follow_redirects=True, timeout=PATIENCE) as operator:
            form = {"email": "editor@ternsey.example", "password": password}
            assert SIGNED_IN in operator.post("/admin/sign-in", data=form).text


def test_an_interrupted_invention_begins_again(tmp_path: Path) -> None:
    options = ("--port", str(free_port()), "--data", str(tmp_path), "--scale", "600")
    with command("demo", *options) as process:
        wait_until(lambda: "Inventing a year" in process.out, "the demo invents")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running_demo(tmp_path) as demo:
        # Its operator is new, so everything is.
        assert demo.password
    with running_demo(tmp_path) as again:
        assert demo.password not in again.greeting


def test_the_demo_takes_what_its_newsletter_is_sent(demo: Demo) -> None:
    sent = httpx2.post(f"{demo.url}{RECEIVER}", json={"type": "reader.created"}, timeout=PATIENCE)
    assert sent.status_code == 204


def test_localhost_leads_to_the_one_origin(demo: Demo) -> None:
    answer = httpx2.get(f"http://localhost:{demo.port}/articles/x?a=b", timeout=PATIENCE)
    assert answer.status_code == 307
    assert answer.headers["Location"] == f"{demo.url}/articles/x?a=b"


def test_no_other_site_moves_the_clocks(demo: Demo) -> None:
    with httpx2.Client(base_url=demo.url, timeout=PATIENCE) as browser:
        before = browser.get("/_stripe/_sim/clock").json()["now"]
        body = {"to": before + 3600}
        for headers in (
            {"Origin": "https://elsewhere.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            refused = browser.post("/_stripe/_sim/clock", json=body, headers=headers)
            assert refused.status_code == 403
            assert browser.post("/demo/jump", data={"days": 1}, headers=headers).status_code == 403
        # A return address of elsewhere is refused before anything has moved.
        elsewhere = {"days": 30, "back": "//elsewhere.example"}
        assert browser.post("/demo/jump", data=elsewhere).status_code == 422
        assert browser.get("/_stripe/_sim/clock").json()["now"] < before + 3600
        assert browser.post("/_stripe/_sim/clock", json=body).status_code == 200


def test_a_second_process_on_the_same_data_is_refused(demo: Demo) -> None:
    assert "Another process serves" in refused(demo.data, free_port())


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(tmp_path, port)
    assert f"Port {port}" in sentence
    assert "make run PORT=" in sentence


@pytest.mark.parametrize("port", [0, 70_000])
def test_no_such_port(tmp_path: Path, port: int) -> None:
    assert "choose one" in refused(tmp_path, port)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert "make run DATA=" in refused(in_the_way, free_port())


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    prefix: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up")
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    paywall = Path(sys.executable).with_name("paywall")
    done = subprocess.run(
        [*prefix, paywall, "demo", "--port", str(free_port()), "--data", tmp_path / "data"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "make run DATA=" in the_sentence(done.stderr)


def test_data_without_its_secrets_is_told(demo: Demo, tmp_path: Path) -> None:
    data = shutil.copytree(demo.data, tmp_path / "data")
    (data / "paywall.env").unlink()
    assert "delete the folder to begin anew" in refused(data, free_port())
