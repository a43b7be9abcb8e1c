"""The system's Chromium, driven by Playwright, which `make test` does without: imported when used."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_FINDER = Path(__file__).parents[1] / "requirements" / "chromium.sh"
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_PATIENCE_MS = PATIENCE * 1000


def new_profile(browser: "Browser", **options: Any) -> "BrowserContext":
    """One that waits as long as every test does, and Playwright for 30 seconds."""
    context = browser.new_context(**options)
    context.set_default_timeout(_PATIENCE_MS)
    return context


@contextmanager
def running_chromium() -> "Iterator[Browser]":
    """A browser without profiles; Playwright keeps an event loop running meanwhile."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_PATIENCE_MS)

    found = subprocess.run(["sh", _FINDER], capture_output=True, text=True, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=_FLAGS)
        yield browser
        browser.close()
