import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from defusedxml.ElementTree import fromstring

import service.demo
from service.demo.seed import LEVELS

DEMO = Path(service.demo.__file__).parent
ARTICLES = sorted((DEMO / "articles").glob("*.md"))
PICTURES = DEMO / "pictures"
MARK = "\n<!--more-->\n"
PICTURE_LIMIT = 12 * 1024
FIELDS = {
    "slug": str,
    "title": str,
    "standfirst": str,
    "section": str,
    "authors": list,
    "tags": list,
    "image": str,
    "image_alt": str,
}


@dataclass(frozen=True)
class Sample:
    name: str
    front: dict[str, Any]
    body: str


def read(path: Path) -> Sample:
    before, front, body = path.read_text(encoding="utf-8").split("+++\n", 2)
    assert not before, f"{path.name} has text before its front matter"
    return Sample(path.stem, tomllib.loads(front), body)


SAMPLES = [read(path) for path in ARTICLES]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def levels() -> Counter[str]:
    """By the demo's rules, but for an article that names its own."""
    by_tag = dict(LEVELS)
    return Counter(
        sample.front.get("level")
        or next((by_tag[tag] for tag in sample.front["tags"] if tag in by_tag), "metered")
        for sample in SAMPLES
    )


def test_a_dozen_articles_show_every_level_of_access() -> None:
    assert 12 <= len(SAMPLES) <= 13
    assert [sample.name for sample in SAMPLES if "level" in sample.front] == ["arctic-tern-count"]
    assert levels() == {"free": 2, "registered": 1, "subscribers": 2, "metered": len(SAMPLES) - 5}


def test_four_or_five_sections_and_recurring_authors() -> None:
    sections = {sample.front["section"] for sample in SAMPLES}
    authors = Counter(author for sample in SAMPLES for author in sample.front["authors"])
    assert 4 <= len(sections) <= 5
    assert 4 <= len(authors) <= 5
    assert min(authors.values()) >= 2


def test_no_two_articles_share_an_age() -> None:
    ages = [sample.front["days_ago"] for sample in SAMPLES]
    assert len(set(ages)) == len(ages)
    assert all(0 < age <= 40 for age in ages)


@each_sample
def test_front_matter_is_complete(sample: Sample) -> None:
    assert set(sample.front) - {"level"} == {*FIELDS, "days_ago"}
    for field, kind in FIELDS.items():
        assert isinstance(sample.front[field], kind), field
        assert sample.front[field], field


@each_sample
def test_slug_is_the_name_of_the_file(sample: Sample) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", sample.front["slug"])
    assert sample.front["slug"] == sample.name


@each_sample
def test_the_mark_leaves_a_short_preview_of_a_long_article(sample: Sample) -> None:
    assert sample.body.count(MARK) == 1
    preview, rest = (len(part.split()) for part in sample.body.split(MARK))
    assert 100 <= preview <= 170
    assert rest >= 3 * preview


@each_sample
def test_there_is_no_html_but_the_mark(sample: Sample) -> None:
    assert "<" not in sample.body.replace(MARK, "\n")


@each_sample
def test_the_markdown_shows_what_a_page_must_render(sample: Sample) -> None:
    for pattern in (r"^## \S", r"^> \S", r"^(- |1\. )\S", r"(?<![*\\])\*{1,2}\w"):
        assert re.search(pattern, sample.body, re.MULTILINE), pattern


@each_sample
def test_links_within_the_paper_lead_to_another_article(sample: Sample) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", sample.body)
    others = {f"/articles/{other.name}" for other in SAMPLES if other != sample}
    assert targets
    assert set(targets) <= others


def test_every_article_has_a_picture_of_its_own() -> None:
    images = [sample.front["image"] for sample in SAMPLES]
    assert len(set(images)) == len(images)
    present = {path.name for path in PICTURES.glob("*.svg")}
    assert present == {*images, "masthead.svg", "favicon.svg"}


@pytest.mark.parametrize("picture", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.stem)
def test_pictures_are_small_and_load_nothing(picture: Path) -> None:
    assert picture.stat().st_size <= PICTURE_LIMIT
    root = fromstring(picture.read_bytes())
    assert root.get("viewBox")
    for element in root.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "foreignObject", "image", "style"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            if name.endswith("href"):
                assert value.startswith("#")


@each_sample
def test_article_pictures_share_one_format(sample: Sample) -> None:
    root = fromstring((PICTURES / sample.front["image"]).read_bytes())
    assert root.get("viewBox") == "0 0 1200 675"


def test_the_newspaper_introduces_itself() -> None:
    paper = tomllib.loads((DEMO / "articles" / "newspaper.toml").read_text(encoding="utf-8"))
    assert set(paper) == {"name", "tagline", "place", "language", "time_zone", "about"}
    assert paper["language"] == "en"
    assert ZoneInfo(paper["time_zone"]).key == paper["time_zone"]
    assert all(value.strip() for value in paper.values())
