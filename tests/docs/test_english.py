"""Words that readers stumble over are in no text and no name of the project."""

import re
from functools import cache
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
NOT_OURS = {"node_modules", "articles", "screenshots"}
"""Packages' own files, pictures, and the sample newspaper, whose people talk as they like."""

INSTEAD = {
    "whoever": "a reader who …, the holder of …",
    "in vain": "without success; 3 failed attempts",
    "so many": "the number of …, many",
    "(?:told|tells?) of": "report, announce; Stripe sent no webhook for …",
    "told by": "known by, shown by",
    r"(?:leave|leaves|leaving|left) (?:\w+ ){0,3}away|leave_\w+_away": "omit, leave out",
    "look into your": "check your",
    "for nothing": "free; needlessly",
    "whence(?!: int = 0)": "origin, source",
    "of one's own": "its own, your own",
    "half[_ -]way": "pending, between the two steps",
    "that was too often": "too many requests",
    "the permission is missing": "you don't have permission",
}


@cache
def texts() -> dict[str, str]:
    """Every text of the project by its path."""
    places = [ROOT / name for name in TEXTS]
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place])]
    return {
        str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
        for file in sorted(files)
        if file.suffix in KINDS
        and file.is_file()
        and file != Path(__file__)
        and not NOT_OURS.intersection(file.parts)
        and not (file.suffix == ".txt" and file.parent.name == "requirements")
    }


@pytest.mark.parametrize("banned", INSTEAD)
def test_no_text_and_no_name_has(banned: str) -> None:
    # A line of a comment goes on after its sign.
    words = banned.replace(" ", r"(?:\s|#)+")
    phrase = re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE)
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}"
        for path, text in texts().items()
        for match in phrase.finditer(text)
    ]
    assert not found, f"write instead: {INSTEAD[banned]}\n" + "\n".join(found)


def test_the_texts_are_found() -> None:
    assert {"README.md", "service/app.py", "docs/api.md", "service/web/templates/account.html"} <= (
        texts().keys()
    )
