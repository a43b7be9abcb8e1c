"""The hashed requirement files: complete, in step with pyproject.toml, and naming no package index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
RUNTIME = PROJECT["project"]["dependencies"]
DECLARED = {
    "build.txt": GROUPS["build"],
    "runtime.txt": RUNTIME,
    "test.txt": RUNTIME + GROUPS["test"],
    "browser.txt": RUNTIME + GROUPS["test"] + GROUPS["browser"],
}
PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(\S+)(.*)$", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """The locked versions of each package: two where a system needs another one."""
    found: dict[str, set[str]] = {}
    for package, version, _ in PIN.findall((ROOT / "requirements" / name).read_text()):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", DECLARED)
def test_a_lock_holds_a_fitting_release_of_everything_declared(name: str) -> None:
    locked = pins(name)
    for declared in map(Requirement, DECLARED[name]):
        versions = locked.get(canonicalize_name(declared.name), set())
        assert versions, f"{declared} is not in {name}: run make lock"
        assert all(map(declared.specifier.contains, versions)), (
            f"{name} is behind {declared}: run make lock"
        )


@pytest.mark.parametrize("name", DECLARED)
def test_every_pin_has_a_hash_and_no_file_an_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    pinned = PIN.findall(text)
    assert pinned
    assert all(rest.endswith("\\") for *_, rest in pinned)
    assert "://" not in text
    assert "index" not in re.sub(r"#.*", "", text)


def test_a_wider_lock_holds_the_narrower_one() -> None:
    runtime, test, browser = (pins(name) for name in ("runtime.txt", "test.txt", "browser.txt"))
    assert runtime.items() <= test.items() <= browser.items()


@pytest.mark.xdist_group("kept-together")
def test_the_runner_keeps_groups_together(request: pytest.FixtureRequest) -> None:
    """Else each worker makes what a group shares, and nobody hears of it."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("no workers in this run")
    assert request.node.nodeid.endswith("@kept-together")
