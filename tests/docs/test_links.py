"""The documents: links lead somewhere, code that they name is there, no machine's paths."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")],
)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
OF_A_MACHINE = re.compile(
    r"(?<![\w.~:/}])/(?:home|root|work|tmp|Users|mnt|opt|srv|var|private)/|\b[A-Z]:\\"
)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def links(page: Path) -> list[str]:
    """The addresses of the page's links, without those that only look like links in code."""
    prose = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [first or second for first, second in LINK.findall(prose)]


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    names: set[str] = set()
    for heading in headings:
        words = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = 0
        while (name := f"{words}-{count}" if count else words) in names:
            count += 1
        names.add(name)
    return names


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@each_page
def test_no_path_of_a_machine_is_named(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert OF_A_MACHINE.findall(text) == []
    assert str(ROOT) not in text


@each_page
def test_every_file_of_the_service_that_is_named_is_there(page: Path) -> None:
    for path in re.findall(
        r"`((?:service|tests|docs)/[\w./-]+)`", page.read_text(encoding="utf-8")
    ):
        assert (ROOT / path).exists(), path


def test_the_index_leads_to_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}

    assert {page for page in PAGES if page != index} <= linked


def test_every_decision_that_the_code_refers_to_is_written() -> None:
    named = {
        name
        for file in (ROOT / "service").rglob("*.py")
        for name in re.findall(
            r"docs/(?:\s*)decisions/(?:\s*)([a-z-]+\.md)", file.read_text(encoding="utf-8")
        )
    }

    assert named
    assert named <= {page.name for page in (ROOT / "docs" / "decisions").glob("*.md")}


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda p: p.name
)
def test_a_decision_has_its_four_parts(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]
