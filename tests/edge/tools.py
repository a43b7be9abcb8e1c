"""What the recipes run with beyond Python: a test without it is skipped with the reason, but not in CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

FOLDER = Path(__file__).parent


def tool(name: str) -> str:
    """The path of a program."""
    found = shutil.which(name)
    return found if found is not None else _without(f"{name} isn't installed")


def installed_packages() -> Path:
    """The folder with the packages of package-lock.json, as requirements/install.sh leaves it."""
    folder = FOLDER / "node_modules"
    if not (folder / "jose").is_dir():
        _without("npm couldn't install jose: run `npm ci` in tests/edge")
    return folder


def _without(reason: str) -> NoReturn:
    if os.environ.get("RECIPES_MUST_RUN"):
        pytest.fail(reason)
    pytest.skip(reason)
