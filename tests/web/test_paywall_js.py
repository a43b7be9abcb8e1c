"""The SDK's own tests, run by Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="needs Node.js 20 or later as `node`")
def test_the_sdk() -> None:
    tests = Path(__file__).with_name("paywall.test.mjs")
    # The module has no package.json beside it: Node finds out by its syntax that it is one.
    run = subprocess.run(
        [str(NODE), "--experimental-detect-module", "--no-warnings", "--test", str(tests)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
