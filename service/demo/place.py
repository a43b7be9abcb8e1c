"""Where a demo lives: its folder, its secrets, its port. Everything that can be wrong is a sentence."""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formataddr
from pathlib import Path
from typing import Any

from service.listening import LARGEST_PORT, PortRefused, listen
from service.settings import Settings

ENVIRONMENT_FILE = "paywall.env"
STRIPE_PATH = "/_stripe"
SENDER = "hello@ternsey.example"
"""Of mails that lie in the mailbox: the demo sends none."""
STRIPE_DATABASE = "stripe.db"
_DATABASE = "paywall.db"
_UNFINISHED = "being-invented"
"""A file that is there while the history is written."""
HTTP_PORT = 80
"""Browsers omit it from origins."""


_AWKWARD = re.compile(r"[?#%'\"\\\x00-\x1f]")


class CannotStart(Exception):
    """The demo can't start; the message says why and what to do."""


def taken_port(port: int) -> socket.socket:
    """The listening socket; CannotStart with the remedy where the port can't be had."""
    try:
        return listen("127.0.0.1", port)
    except PortRefused as error:
        other = port + 1 if 0 < port < LARGEST_PORT else 8000
        raise CannotStart(
            f"{error} Stop what uses it, or choose another: make run PORT={other}"
        ) from error


def settings_in(data: Path, port: int, *, name: str, time_zone: str) -> Settings:
    """The demo's settings; its secrets are made once and kept in `data`/paywall.env.

    The shell can read that file (`set -a; . .data/paywall.env; set +a`), so that the `paywall`
    command works on the demo's data. CannotStart where the folder can't be written.
    """
    if _AWKWARD.search(str(data.resolve())):
        raise CannotStart(
            f"The folder {data} has a name that addresses and shells misread. "
            "Choose one without quotes, ?, # and %: make run DATA=some/folder"
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        values = _values(data, port, name=name, time_zone=time_zone)
        _keep(data / ENVIRONMENT_FILE, values)
    except OSError as error:
        raise CannotStart(
            f"The folder {data} can't be used ({os.strerror(error.errno or 0).lower()}). "
            "Choose one you may write to: make run DATA=some/folder"
        ) from error
    fields: dict[str, Any] = {
        variable.removeprefix("PAYWALL_").lower(): value for variable, value in values.items()
    }
    return Settings(
        _env_file=None,
        environment="development",
        newsletter_wording=f"Send me the letter of {name} on Saturdays",
        log_level="warning",
        log_format="text",
        **fields,
    )


def _values(data: Path, port: int, *, name: str, time_zone: str) -> dict[str, str]:
    """The variables of the demo's environment, with the secrets that were made before."""
    kept = _kept(data / ENVIRONMENT_FILE)
    url = "http://127.0.0.1" if port == HTTP_PORT else f"http://127.0.0.1:{port}"
    return {
        "PAYWALL_DATABASE_URL": f"sqlite:///{(data / _DATABASE).resolve()}",
        "PAYWALL_SECRET_KEY": kept.get("PAYWALL_SECRET_KEY") or secrets.token_urlsafe(32),
        "PAYWALL_STRIPE_WEBHOOK_SECRET": kept.get("PAYWALL_STRIPE_WEBHOOK_SECRET")
        or f"whsec_{secrets.token_hex(16)}",
        "PAYWALL_STRIPE_SECRET_KEY": "sk_test_demo",
        "PAYWALL_STRIPE_API_BASE": f"{url}{STRIPE_PATH}",
        "PAYWALL_PUBLIC_URL": url,
        "PAYWALL_INSECURE_COOKIES": "true",
        "PAYWALL_PUBLICATION": "ternsey-packet",
        "PAYWALL_PUBLICATION_NAME": name,
        "PAYWALL_TIME_ZONE": time_zone,
        "PAYWALL_MAIL_FROM": formataddr((name, SENDER)),
        "PAYWALL_RIGHTS_BY_ACCOUNT": "true",
        # A newcomer who tries it out listens on the same machine.
        "PAYWALL_WEBHOOKS_ALLOW_PRIVATE_TARGETS": "true",
    }


@contextmanager
def being_invented(data: Path) -> Iterator[None]:
    """If this is interrupted, the next start begins again (`drop_unfinished`)."""
    marker = data / _UNFINISHED
    marker.touch()
    yield
    marker.unlink()


def drop_unfinished(data: Path) -> None:
    """Delete the databases if the history in them is unfinished: nobody has seen them yet."""
    if not (data / _UNFINISHED).exists():
        return
    for name in (_DATABASE, STRIPE_DATABASE):
        for ending in ("", "-wal", "-shm"):
            (data / f"{name}{ending}").unlink(missing_ok=True)
    (data / _UNFINISHED).unlink()


def _kept(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip("'") for name, _, value in pairs}


def _keep(path: Path, values: dict[str, str]) -> None:
    """Write the file in one step, for its owner alone."""
    lines = ["# The demo's settings, written at each start. Its secrets are kept."]
    lines += [f"{name}='{value}'" for name, value in values.items()]
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    draft.replace(path)
