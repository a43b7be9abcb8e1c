"""Which level an article has, and what set it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

import service
from service.content.level import LevelAt, Rules, level_at
from service.levels import Level

PRODUCT = Path(service.__file__).parent


@dataclass(frozen=True)
class Leveled:
    level: Level | None
    cut_is_whole: bool = False


@pytest.mark.parametrize("default", get_args(Level))
@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_the_article_goes_first_then_the_publication(own: Level | None, default: Level) -> None:
    expected = LevelAt(own, "article") if own else LevelAt(default, "publication")
    assert level_at(Leveled(own), Rules(default)) == expected


@pytest.mark.parametrize("own", [None, *get_args(Level)])
def test_an_article_with_nothing_behind_its_cut_is_free(own: Level | None) -> None:
    assert level_at(Leveled(own, cut_is_whole=True), Rules("subscribers")) == LevelAt("free", "cut")


def test_the_levels_are_spelled_once() -> None:
    words = r"[\"']free[\"']\s*[,|]\s*[\"']metered[\"']\s*[,|]\s*[\"']registered[\"']"
    spelled = [path for path in PRODUCT.rglob("*.py") if re.search(words, path.read_text())]
    assert spelled == [PRODUCT / "levels.py"]
