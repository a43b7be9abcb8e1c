"""Words that readers stumble over are in no text and no name of the project."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = (
    "service", "alembic", "docs", "tests", "requirements", "README.md", "CHANGELOG.md", "Makefile",
    "pyproject.toml", "docker-compose.yml", "Dockerfile", ".ci",
)  # fmt: skip
KINDS = {
    "",
    ".py",
    ".md",
    ".html",
    ".txt",
    ".po",
    ".js",
    ".mjs",
    ".ts",
    ".css",
    ".toml",
    ".yml",
    ".sh",
}
NOT_OURS = ("node_modules", "requirements/*.txt", "service/demo/articles/*", "tests/screenshots/*")
"""Packages' own names, and the sample newspaper, whose people talk as they like."""

INSTEAD = {
    r"whoever": "a reader who …, the holder of …",
    r"in vain": "without success; 3 failed attempts",
    r"so many": "the number of …, many",
    r"(?:told|tells?) of": "report, announce; X sent no event for …",
    r"told by": "known by, shown by",
    r"(?:leave|leaves|leaving|left) (?:\w+ ){0,3}away|leave_\w+_away": "omit, leave out",
    r"look into your": "check your",
    r"for nothing": "free; needlessly",
    r"whence(?!: int = 0)": "origin, from where",
    r"of one's own": "its own, your own",
    r"half[_-]way": "pending, between the two steps",
    r"that was too often": "too many requests",
    r"the permission is missing": "you don't have permission",
}


def texts() -> Iterator[Path]:
    for name in TEXTS:
        place = ROOT / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            ours = not any(path.match(each) or each in path.parts for each in NOT_OURS)
            if path.is_file() and path.suffix in KINDS and path != Path(__file__) and ours:
                yield path


@pytest.mark.parametrize("banned", INSTEAD)
def test_no_text_and_no_name_has(banned: str) -> None:
    word = re.compile(rf"(?<![A-Za-z])(?:{banned})(?![A-Za-z])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert not found, f"write instead: {INSTEAD[banned]}\n" + "\n".join(found)


def test_the_texts_are_found() -> None:
    assert len(list(texts())) > 800
