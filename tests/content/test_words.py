"""What holds for any body: no word is lost or turned round, and enough of them stay private."""

import html as entities

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from service.content.blocks import scan
from service.content.cut import render, words_in
from service.content.preview import Limits, count_words

WORDS = st.sampled_from(
    [
        "harbour",
        "Wall,",
        "ten.",
        "«Não»",
        "l’eau",
        "[sic]",
        "(three)",
        "a<b",
        "R&D",
        "3:15",
        "桥倒了。",
        "قال",
        "2026!",
    ]
)
MARKDOWN_WORDS = st.sampled_from(
    ["harbour", "Wall,", "ten", "«Não»", "l’eau", "(three)", "桥倒了", "قال", "R&D"]
)
INLINE = st.sampled_from(
    ["b", "i", "s", "strike", "del", "ins", "u", "font", "span", "a href='/x'", "a name='y'", "code",
     "button", "small", "x-y", "bdo dir='rtl'", "q", "label", "sup"]
)  # fmt: skip
BLOCK = st.sampled_from(
    ["p", "div", "h2", "blockquote", "address", "header", "article", "figcaption", "pre", "center",
     "form", "section", "details", "summary", "dd", "legend", "aside"]
)  # fmt: skip


@st.composite
def phrases(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Some HTML within a block, and the words that it shows."""
    html, shown = [], []
    for _ in range(draw(st.integers(1, 6))):
        words = draw(st.lists(WORDS, min_size=1, max_size=5))
        shown += words
        text = entities.escape(" ".join(words), quote=False)
        if draw(st.booleans()):
            tag = draw(INLINE)
            text = f"<{tag}>{text}</{tag.split()[0]}>"
        html.append(text)
    joint = draw(st.sampled_from([" ", "<br>", " <!-- note --> ", " <script>x()</script>"]))
    return joint.join(html), shown


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An article in HTML, and the words that it shows."""
    parts, shown = [], []
    for _ in range(draw(st.integers(1, 8))):
        inside, words = draw(phrases())
        kind = draw(st.sampled_from(["block", "nested", "list", "table", "bare", "picture"]))
        outer, inner = draw(BLOCK), draw(BLOCK)
        parts.append({
            "block": f"<{outer}>{inside}</{outer}>",
            "nested": f"<div><{outer}>{inside}</{outer}></div>",
            "list": f"<ul><li>{inside}</li></ul>",
            "table": f"<table><tr><td>{inside}</td></tr></table>",
            "bare": f"\n{inside}\n",
            "picture": f"<figure><img src='/a'><{inner}>{inside}</{inner}></figure>",
        }[kind])  # fmt: skip
        shown += words
    return "".join(parts), shown


def words_of(html: str) -> list[str]:
    """The words that a browser shows, in order."""
    root = etree.fromstring(f"<body>{html}</body>", etree.HTMLParser())
    spaced = "".join(
        f" {text} " if isinstance(text, str) else "" for text in root.itertext(with_tail=True)
    )
    return spaced.split()


def words_of_the_story(html: str) -> int:
    """Those of paragraphs, lists and tables; all, where there are no such."""
    root = etree.fromstring(f"<body>{html}</body>", etree.HTMLParser())
    segments = scan(root).segments
    story = sum(count_words(each.text) for each in segments if each.kind == "story")
    return story or sum(count_words(each.text) for each in segments)


LIMITS = Limits(blocks=3, words=200, withheld_percent=40)
limits = st.builds(
    Limits,
    blocks=st.integers(1, 9),
    words=st.integers(1, 60),
    withheld_percent=st.integers(10, 95),
)
many = settings(deadline=None, max_examples=50)  # the machine is shared


@many
@given(bodies())
def test_the_words_stored_are_those_of_the_source(body: tuple[str, list[str]]) -> None:
    html, shown = body
    assert words_of(render(html, "html", LIMITS).body_html) == shown


@st.composite
def markdown_bodies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An article in Markdown, and the words that it shows."""
    parts, shown = [], []
    for _ in range(draw(st.integers(1, 8))):
        words = draw(st.lists(MARKDOWN_WORDS, min_size=1, max_size=9))
        shown += words
        text = " ".join(words)
        sign = draw(st.sampled_from(["", "*", "**", "~~", "`"]))
        lead = draw(st.sampled_from(["", "# ", "> ", "- ", "1. ", "<div>\n\n", "- - "]))
        parts.append(f"{lead}{sign}{text}{sign}")
    return "\n\n".join(parts), shown


@many
@given(markdown_bodies())
def test_the_words_of_markdown_are_stored(body: tuple[str, list[str]]) -> None:
    source, shown = body
    assert words_of(render(source, "markdown", LIMITS).body_html) == shown


@many
@given(bodies(), limits)
@example(
    ("<h2>harbour</h2><ul><li>harbour harbour</li></ul><p>harbour</p>", ["harbour"] * 4),
    Limits(blocks=1, words=1, withheld_percent=10),
)
def test_a_preview_has_some_words_and_leaves_its_share(
    body: tuple[str, list[str]], limits: Limits
) -> None:
    rendered = render(body[0], "html", limits)
    whole, public = words_in(rendered.body_html), words_in(rendered.preview_html)
    assert public <= min(limits.words, limits.most_of(whole))
    # Up to half of the story is held back, and a word can't be divided.
    assert public > 0 or limits.most_of(words_of_the_story(body[0])) < 2
    # Only beginnings of what is there, in its order; a word of Chinese may be divided.
    letters = iter("".join(words_of(rendered.body_html)))
    assert all(letter in letters for letter in "".join(words_of(rendered.preview_html)))
    assert render(rendered.preview_html, "html", limits).body_html == rendered.preview_html


@many
@given(bodies(), bodies(), st.sampled_from(["<!--more-->", "<!--wall:registered-->", "<paywall>"]))
def test_a_mark_divides_the_words(
    before: tuple[str, list[str]], behind: tuple[str, list[str]], mark: str
) -> None:
    rendered = render(f"<div>{before[0]}</div>{mark}<div>{behind[0]}</div>", "html", LIMITS)
    assert words_of(rendered.preview_html) == before[1]
    assert words_of(rendered.body_html) == before[1] + behind[1]
