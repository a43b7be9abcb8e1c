"""A page as a browser shows it once its scripts have run."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE_SECONDS = 40
_SCRIPTS_MS = 5000


async def rendered(chromium: str, url: str, profile: Path) -> bytes | None:
    """The page's elements after its scripts, by the Chromium of this path; None where it gives none.

    Cookies stay in the folder `profile`: with the same one it is the same reader.
    """
    arguments = ["--headless", "--disable-gpu", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to run as root otherwise
    arguments += [f"--virtual-time-budget={_SCRIPTS_MS}", "--dump-dom", url]
    try:
        process = await asyncio.create_subprocess_exec(
            chromium, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        # Not wait_for: on Python 3.11 it may swallow a cancellation.
        async with asyncio.timeout(_PATIENCE_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return out or None


@contextmanager
def new_reader() -> Iterator[Path]:
    """The profile of a reader whom the site doesn't know."""
    with tempfile.TemporaryDirectory(prefix="leakcheck-", ignore_cleanup_errors=True) as profile:
        yield Path(profile)
