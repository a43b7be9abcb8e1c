"""The system's Chromium, driven by Playwright, which `make test` does without: imported when used."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FINDER = Path(__file__).parents[1] / "requirements" / "chromium.sh"
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def running_chromium() -> "Iterator[Browser]":
    """A browser without profiles; Playwright keeps an event loop running meanwhile."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # two browsers share two cores; Playwright's own is 5 s

    found = subprocess.run(["sh", _FINDER], capture_output=True, text=True, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=_FLAGS)
        yield browser
        browser.close()
