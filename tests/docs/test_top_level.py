"""What lies beside the folders, which is seen first."""

from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {
    ".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "README.md",
    "docker-compose.yml", "pyproject.toml",
}  # fmt: skip


def test_no_other_file_lies_there() -> None:
    """Apart from what isn't kept; a worktree of git has a file `.git`."""
    ignored = [".git", *(ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    found = {each.name for each in ROOT.iterdir() if each.is_file()}
    assert {name for name in found if not any(fnmatchcase(name, each) for each in ignored)} == FILES
