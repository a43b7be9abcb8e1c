"""docs/api.md: its examples run as they are, and no call is missing."""

import os
import re
import subprocess
from pathlib import Path

import httpx2

from tests.demo.process import running_demo
from tests.forked import processes
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
pytestmark = [processes]
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
EXPECTED = [
    "published", "lamp-oil", "The lamp oil that was never there", "<p>The ledger says forty barrels.</p>",
    "meter", "<p>The ledger says forty barrels.</p><p>The cellar holds six.</p>", "2", "False",
    "Read 5 more articles this month, free", "subscription", "Bearer", "600", "/account", "True", "/problems/not-found", "subscription", "ses_", "/problems/insufficient-scope", "True",
    "This is already your address.", "/problems/sign-in-refused", "401",
    "['subscriber', 'paying', 'registered']",
    "admin", "True", "cms", "api-key.revoke",
    "whsec_", "subscription.started", "webhook.test", "waiting", "whsec_", "*", "204",
    "webhook", "waiting", "0", "waiting", "rec_", "eur",
    "/problems/subscription-runs", "204", "ok", "True", "400",
]  # fmt: skip


def test_the_examples_run_and_every_call_is_shown(tmp_path: Path) -> None:
    with running_demo(tmp_path / "data") as demo:
        paths = httpx2.get(f"{demo.url}/openapi.json", timeout=PATIENCE).json()["paths"]
        environment = {
            **os.environ,
            "PAYWALL": demo.url,
            "DATA": str(demo.data),
            # A newcomer's shell: it finds curl, but not what is in .venv.
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", "\n".join(BLOCKS)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = iter(done.stdout.splitlines())
    for expected in EXPECTED:
        assert any(line == expected for line in lines), f"{expected!r} isn't printed in its place"
    missing = [path for path in paths if not shown(path)]
    assert not missing


def shown(path: str) -> bool:
    """Whether the page calls this path, with whatever stands for its parameters."""
    pattern = re.sub(r"\\\{[^}]+\\\}", r"[^/?\"' ]+", re.escape(path))
    return re.search(rf"{pattern}(?=[\"'?`\s])", TEXT) is not None
