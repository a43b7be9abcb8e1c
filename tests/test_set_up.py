"""The script that makes the environment: two at once don't fill the same one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
LOCK = ".venv.lock"


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    """The script in a folder of its own, where it finds no interpreter and so ends soon."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "tests/edge").mkdir(parents=True)
    for name in ("pyproject.toml", "tests/edge/package-lock.json"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return ["sh", str(tmp_path / "requirements/install.sh"), "runtime"]


def test_a_second_set_up_waits_for_the_first(script: list[str], tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    lock.symlink_to(str(os.getpid()))  # as if this process were at work there
    environment = {**os.environ, "PYTHON": "false"}
    with subprocess.Popen(
        script, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as second:
        assert second.stdout is not None
        assert "waiting for it" in second.stdout.readline()
        lock.unlink()
        _, err = second.communicate(timeout=PATIENCE)
    assert "needs Python 3.11" in err  # its turn has come
    assert not lock.is_symlink()


def test_the_lock_of_one_that_was_killed_holds_nobody_up(script: list[str], tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    (tmp_path / LOCK).symlink_to(str(gone.pid))
    done = subprocess.run(
        script,
        env={**os.environ, "PYTHON": "false"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "needs Python 3.11" in done.stderr
    assert not (tmp_path / LOCK).is_symlink()


def test_pip_is_heard_only_where_it_fails(tmp_path: Path) -> None:
    text = (ROOT / "requirements" / "install.sh").read_text(encoding="utf-8")
    quietly = text[text.index("quietly() {") : text.index("if is_ready")]
    said = "printf 'Collecting a\\nCollecting b\\nHard words\\n'"
    (tmp_path / "try.sh").write_text(
        f"set -eu\n{quietly}\nworks() {{ {said}; }}\nfails() {{ {said}; return 1; }}\n"
        "quietly works\nquietly fails || echo failed\n"
    )
    done = subprocess.run(
        ["sh", str(tmp_path / "try.sh")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "..\n..\nfailed\n"
    assert done.stderr == "Collecting a\nCollecting b\nHard words\n"
