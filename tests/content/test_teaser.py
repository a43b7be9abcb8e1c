from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.content.article import StoredArticle, excerpt_of
from service.content.level import LevelAt
from service.content.teaser import json_ld, summary, teaser
from service.content.teaser_schemas import Teaser, TeaserSummary
from service.levels import Level
from service.rules.in_force import InForce
from service.settings import Settings

SETTINGS = Settings(
    _env_file=None, public_url="https://paper.example", publication_name="The Packet"
)
NOW = datetime(2026, 3, 12, 9, 0, tzinfo=UTC)
ARTICLE = StoredArticle(
    id="art_000000000000000000000000",
    slug="ferry",
    title="The ferry",
    standfirst="",
    excerpt="Before the cut.",
    authors=("Maren Tolliver", "Jory Pascomb"),
    section="News",
    tags=("Sea",),
    canonical_url=None,
    image_url="/media/ferry.svg",
    image_alt=None,
    language="en",
    published_at=datetime(2026, 3, 10, 9, 0, tzinfo=UTC),
    status="published",
    level=None,
    version=4,
    updated_at=datetime(2026, 3, 11, 9, 0, 0, 5, tzinfo=UTC),
    body_html="<p>Before the cut.</p><p>paid</p>",
    preview_html="<p>Before the cut.</p>",
    wall_level=None,
    cut_is_whole=False,
    plans=frozenset({"print", "digital"}),
)


@pytest.mark.parametrize("default", ["free", "metered", "subscribers"])
@pytest.mark.parametrize("own", [None, "free", "metered", "subscribers"])
def test_the_body_is_in_free_teasers_only(own: Level | None, default: Level) -> None:
    settings = SETTINGS.model_copy(update={"default_level": default})
    shape = teaser(replace(ARTICLE, level=own), InForce.by_default(settings), NOW)
    free = (own or default) == "free"
    assert shape["access"] == {
        "level": own or default,
        "metered": (own or default) == "metered",
        "plans": ["digital", "print"] if (own or default) == "subscribers" else [],
    }
    assert ("body_html" in shape) is free
    assert ("paid" in str(shape)) is free


def test_the_shapes_are_those_of_the_contract() -> None:
    Teaser.model_validate(teaser(ARTICLE, InForce.by_default(SETTINGS), NOW))
    listed = summary(ARTICLE, InForce.by_default(SETTINGS), LevelAt("free", "article"))
    TeaserSummary.model_validate(listed)


def test_json_ld_describes_paywalled_content() -> None:
    assert json_ld(ARTICLE, InForce.by_default(SETTINGS), NOW) == {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": "The ferry",
        "description": "Before the cut.",
        "author": [
            {"@type": "Person", "name": "Maren Tolliver"},
            {"@type": "Person", "name": "Jory Pascomb"},
        ],
        "publisher": {"@type": "Organization", "name": "The Packet"},
        "datePublished": "2026-03-10T09:00:00Z",
        "dateModified": "2026-03-11T09:00:00.000005Z",
        "mainEntityOfPage": "https://paper.example/articles/ferry",
        "isAccessibleForFree": False,
        "image": ["https://paper.example/media/ferry.svg"],
        "articleSection": "News",
        "inLanguage": "en",
        "hasPart": {
            "@type": "WebPageElement",
            "isAccessibleForFree": False,
            "cssSelector": ".paywall",
        },
    }


def test_without_a_meter_nothing_is_metered() -> None:
    settings = SETTINGS.model_copy(update={"meter_limit": None})
    shape = teaser(ARTICLE, InForce.by_default(settings), NOW)
    assert shape["access"] == {"level": "metered", "metered": False, "plans": []}
    assert shape["json_ld"]["isAccessibleForFree"] is True
    closed = teaser(replace(ARTICLE, level="subscribers"), InForce.by_default(settings), NOW)
    assert closed["json_ld"]["isAccessibleForFree"] is False


def test_where_the_cut_is_the_whole_nothing_is_closed() -> None:
    shape = teaser(
        replace(ARTICLE, level="subscribers", cut_is_whole=True), InForce.by_default(SETTINGS), NOW
    )
    assert shape["access"] == {"level": "free", "metered": False, "plans": []}
    assert shape["json_ld"]["isAccessibleForFree"] is True
    assert "hasPart" not in shape["json_ld"]
    assert shape["body_html"] == ARTICLE.body_html


def test_a_scheduled_article_is_not_modified_before_it_appears() -> None:
    written = replace(ARTICLE, updated_at=datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    assert (
        json_ld(written, InForce.by_default(SETTINGS), NOW)["dateModified"]
        == "2026-03-10T09:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("", ""),
        ("a  b", "a b"),
        ("x" * 300, "x" * 300),
        ("word " * 100, "word " * 59 + "…"),
        ("字" * 400, "字" * 298 + " …"),
    ],
)
def test_an_excerpt_is_short_and_ends_between_words(text: str, excerpt: str) -> None:
    assert excerpt_of(text) == excerpt
    assert len(excerpt_of(text)) <= 300
