"""What goes wrong outside of the program is a sentence, whatever command meets it."""

import errno
import http.server
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from service.cli.troubles import misspelt, sentence
from service.db.failures import database_unavailable
from service.payments.gateway import GatewayKeyRefused, GatewayRefused, GatewayUnavailable
from service.problems import Problem
from tests.cli.conftest import Outcome, Paywall, one_sentence
from tests.databases import on_sqlite
from tests.ports import free_port

FULL = OperationalError("INSERT …", {}, sqlite3.OperationalError("database or disk is full"))


def away(error: Exception) -> Problem:
    problem = database_unavailable()
    problem.__cause__ = error
    return problem


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (GatewayKeyRefused("it has expired"), "PAYWALL_STRIPE_SECRET_KEY"),
        (GatewayUnavailable("Stripe can't be reached."), "again later"),
        (GatewayRefused("This property is too long.", "invalid"), "too long"),
        (FULL, "disk"),
        (away(FULL), "Make room"),
        (away(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "PAYWALL_DATABASE_URL"),
        (sqlite3.DatabaseError("file is not a database"), "PAYWALL_DATABASE_URL"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "report.jsonl"), "report.jsonl"),
        (PermissionError(errno.EACCES, "Permission denied", "export.xml"), "export.xml"),
        (FileNotFoundError(errno.ENOENT, "No such file", "export.xml"), "export.xml"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UTF-8"),
        (Problem("selling-is-off"), "PAYWALL_STRIPE_SECRET_KEY"),
    ],
    ids=repr,
)
def test_a_trouble_in_one_line(error: Exception, names: str) -> None:
    told = sentence(error)
    assert told is not None
    assert names in told
    assert one_sentence(f"{told}\n"), told


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    assert sentence(KeyError("member")) is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "PAYWALL_STRIP_SECRET_KEY",
            "PAYWALL_STRIP_SECRET_KEY is no setting: did you mean PAYWALL_STRIPE_SECRET_KEY?",
        ),
        (
            "PAYWALL_METERLIMIT",
            "PAYWALL_METERLIMIT is no setting: did you mean PAYWALL_METER_LIMIT?",
        ),
        ("PAYWALL_X", "PAYWALL_X is no setting: docs/settings.md lists them."),
        ("paywall_meter_limit", None),
        ("PAYWALL_METER_LIMIT", None),
        ("PAYWALL_DATABASE_PASSWORD", None),
        ("HOME", None),
    ],
)
def test_a_misspelt_setting_is_named(tmp_path: Path, name: str, told: str | None) -> None:
    wanted = [told] if told else []
    file = tmp_path / "variables"
    assert list(misspelt({name: "3"}, file)) == wanted
    file.write_text(f"{name}=3\n")
    assert list(misspelt({}, file)) == wanted


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A Stripe whose keys have all expired."""

    def do_GET(self) -> None:
        told = {"type": "invalid_request_error", "code": "api_key_expired", "message": "Expired"}
        body = json.dumps({"error": told}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@on_sqlite
@pytest.mark.parametrize(
    "command",
    [["stripe", "setup"], ["stripe", "setup", "--check"], ["reconcile"], ["reconcile", "--fix"]],
    ids=" ".join,
)
def test_a_stripe_that_refuses_the_key_or_is_away(
    paywall: Paywall, refusing: str, command: list[str]
) -> None:
    for base, names in (
        (refusing, "PAYWALL_STRIPE_SECRET_KEY"),
        (f"http://127.0.0.1:{free_port()}", "again later"),
    ):
        variables = {"PAYWALL_STRIPE_API_BASE": base, "PAYWALL_STRIPE_SECRET_KEY": "sk_test_local"}
        told(paywall(*command, **variables), names)


def told(refused: Outcome, names: str) -> None:
    assert (refused.code in {1, 3}, refused.out) == (True, ""), refused
    assert names in refused.err
    assert one_sentence(refused.err), refused.err


UNUSABLE = [
    # The others a command makes for itself, or it has words of its own for them.
    (["import", "wordpress", "{}"], ["missing", "folder"]),
    (["import", "wordpress", "export.xml", "--report", "{}"], ["missing", "folder", "full"]),
    (["keys", "import", "{}"], ["missing", "folder", "binary"]),
    (["simulate", "--port", "0", "--data", "{}"], ["folder", "binary", "full"]),
    (["demo", "--port", "0", "--data", "{}"], ["binary", "full"]),
]


@on_sqlite
@pytest.mark.parametrize(
    ("command", "kind"),
    [
        pytest.param(command, kind, id=f"{' '.join(command)}-{kind}")
        for command, kinds in UNUSABLE
        for kind in kinds
    ],
)
def test_a_file_that_cannot_be_used(
    paywall: Paywall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    items = "<item><title>A</title></item>" * 50
    (tmp_path / "export.xml").write_text(f"<rss><channel>{items}</channel></rss>")
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 9)
    name = {"missing": "none/of/it", "full": "/dev/full"}.get(kind, kind)
    port = str(free_port())
    refused = paywall(*(port if part == "0" else part.format(name) for part in command))
    assert (refused.code, refused.err.count("\n")) == (1, 1), refused


@on_sqlite
def test_a_binary_file_of_settings_is_named(
    paywall: Paywall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(os.urandom(64) + b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    for command in (["keys", "list"], ["serve"], ["stripe", "setup"]):
        told(paywall(*command), ".env")
