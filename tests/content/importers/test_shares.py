"""No imported article has all its text public, unless its author's mark says so."""

import os
from io import BytesIO
from pathlib import Path

import pytest

from service.content.cut import render, words_in
from service.content.importers.article import ImportedArticle
from service.content.importers.wordpress import read_exports
from tests.content.importers.archives import KINDS, archive
from tests.content.importers.exports import OPTIONS
from tests.content.importers.test_words import LIMITS

EXPORT = os.environ.get("WORDPRESS_EXPORT", "")


def check(source: BytesIO | Path) -> int:
    """The number of articles, whose shares are all as the limits allow."""
    made = [each for each in read_exports([source], OPTIONS) if isinstance(each, ImportedArticle)]
    for article in made:
        rendered = render(article.body, "html", LIMITS)
        words, public = words_in(rendered.body_html), words_in(rendered.preview_html)
        if rendered.cut_by == "automatic":
            assert public <= LIMITS.most_of(words), article.title
        assert public < words or words == 0 or rendered.cut_by == "mark", article.title
        if words > 1 and rendered.cut_by != "wall":
            assert public > 0, article.title
    return len(made)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_long_archive(kind: str) -> None:
    assert check(BytesIO(b"".join(archive(kind, 48)))) == 48


@pytest.mark.skipif(not EXPORT, reason="WORDPRESS_EXPORT doesn't name a WordPress export")
def test_of_a_real_export() -> None:
    assert check(Path(EXPORT)) > 0
