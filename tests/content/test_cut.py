import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.content.blocks import BodyRefused
from service.content.cut import Rendered, render
from service.content.preview import Limits


def html(body: str, blocks: int = 3) -> Rendered:
    return render(body, "html", Limits(blocks, words=200, withheld_percent=40))


def markdown(body: str, blocks: int = 3) -> Rendered:
    return render(body, "markdown", Limits(blocks, words=200, withheld_percent=40))


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        pytest.param("<p>a</p><!--more--><p>b</p>", "<p>a</p>", id="wordpress"),
        pytest.param("<p>a</p><!--more Read on--><p>b</p>", "<p>a</p>", id="wordpress-words"),
        pytest.param("<p>a</p><!--members-only--><p>b</p>", "<p>a</p>", id="ghost"),
        pytest.param("<p>a</p><!-- wp:more --><!--more--><p>b</p>", "<p>a</p>", id="gutenberg"),
        pytest.param("<p>a</p><!--MORE--><p>b</p><!--more--><p>c", "<p>a</p>", id="first-of-two"),
        pytest.param("<p>a <!--more-->b</p><p>c</p>", "<p>a b</p>", id="inside-a-paragraph"),
        pytest.param("<p>a<br>b<!--more--><br>c</p>", "<p>a<br>b</p>", id="at-a-line-break"),
        pytest.param("<p>a</p><p><!--more-->b</p>", "<p>a</p>", id="at-a-paragraph's-start"),
        pytest.param("<p>a</p><p><!--more--><br>b</p>", "<p>a</p>", id="autop"),
        pytest.param("one<!--more-->two", "one", id="bare-text"),
        pytest.param("<font>one<!--more-->two</font>", "one", id="inline-only"),
        pytest.param(
            "<div><blockquote><p>a</p><!--more--><p>b</p></blockquote>c</div><p>d</p>",
            "<div><blockquote><p>a</p></blockquote></div>",
            id="nested",
        ),
        pytest.param(
            "<ul><li>a</li><li>b <b>c<!--more--></b></li><li>d</li></ul>",
            "<ul><li>a</li><li>b <b>c</b></li></ul>",
            id="in-a-list",
        ),
        pytest.param(
            "<table><tr><td>a<!--more--></td><td>b</td></tr></table>",
            "<table><tbody><tr><td>a</td></tr></tbody></table>",
            id="in-a-table",
        ),
        pytest.param("<p>a<p>b<!--more--><p>c", "<p>a</p><p>b</p>", id="unclosed"),
        pytest.param("<p>a</p></body></html><!--more--><p>b", "<p>a</p>", id="end-of-document"),
        pytest.param("<!--more--><p>a</p>", "", id="nothing-before"),
    ],
)
def test_the_mark_cuts_at_the_end_of_a_block(body: str, preview: str) -> None:
    assert html(body, blocks=9).preview_html == preview


@pytest.mark.parametrize(
    "imitation",
    [
        "<p title='<!--more-->'>x</p>",
        "<pre><!--more-->x</pre>",
        "<p><code><!--more-->x</code></p>",
        "<p>&lt;!--more--&gt;</p>",
        "<!--moreover--><p>x</p>",
        "<!--more-about-it--><p>x</p>",
        "<script>'<!--more-->'</script><p>x</p>",
        "<style><!--more--></style><p>x</p>",
        "<textarea><!--more--></textarea><p>x</p>",
        "<template><!--more--></template><p>x</p>",
        "<!--x--!><p>x</p>",
        "<p>x</p><![CDATA[<!--more]]>",
    ],
)
def test_an_imitated_mark_is_none(imitation: str) -> None:
    preview = html(f"{imitation}<p>b</p><p>c</p><p>d</p><p>e</p>", blocks=3).preview_html
    assert "<p>b</p>" in preview


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        pytest.param("<p>a</p><p>b</p><p>c</p><p>d</p>", "<p>a</p><p>b</p>", id="paragraphs"),
        pytest.param(
            "<h2>h</h2><figure><img src='/i'></figure><p>a</p><p>b</p><h2>i</h2><p>c</p><p>d</p>",
            '<h2>h</h2><figure><img src="/i"></figure><p>a</p><p>b</p>',
            id="headings-and-pictures-don't-count",
        ),
        pytest.param(
            "<ol><li>a</li><li>b</li><li>c</li><li>d</li></ol>",
            "<ol><li>a</li><li>b</li></ol>",
            id="items-count",
        ),
        pytest.param(
            "<p>a</p><table><tr><td>b<td>c<tr><td>d<td>e<tr><td>f</table>",
            "<p>a</p><table><tbody><tr><td>b</td><td>c</td></tr></tbody></table>",
            id="rows-count",
        ),
        pytest.param(
            "<p>a</p><p> &nbsp; </p><p>b</p><p>c</p><p>d</p>",
            "<p>a</p><p> &nbsp; </p><p>b</p>",
            id="blank-paragraphs-don't-count",
        ),
    ],
)
def test_without_a_mark_the_first_blocks_are_the_preview(body: str, preview: str) -> None:
    assert html(body, blocks=2).preview_html == preview


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        pytest.param("<p>a</p><p>b</p>", "<p>a</p>", id="short"),
        pytest.param("<p>a</p><p>b</p><!--more-->", "<p>a</p>", id="mark-at-the-end"),
        pytest.param("<p>a</p><p>b</p><!--more--><p> </p>", "<p>a</p>", id="mark-before-nothing"),
        pytest.param("<p>a</p><p>b<!--more--></p>", "<p>a</p>", id="mark-in-the-last-block"),
        pytest.param("<p>a</p>", "", id="one-word"),
        pytest.param("<p>★</p><p>☆</p>", "", id="no-word"),
        pytest.param("<p>a</p><!--more-->", "", id="one-word-and-a-mark"),
        pytest.param("<h2>a</h2><p>b</p>", "", id="heading-and-word"),
        pytest.param("<figure><img src='/i'></figure>", "", id="picture"),
        pytest.param("<h2>a</h2><h2>b</h2>", "<h2>a</h2>", id="headings"),
    ],
)
def test_the_whole_is_never_the_preview(body: str, preview: str) -> None:
    rendered = html(body)
    assert rendered.preview_html == preview
    assert not rendered.cut_is_whole


@pytest.mark.parametrize("body", ["", " \n", "<!--more-->", "<p></p>", "<script>1</script>"])
def test_only_an_empty_body_has_nothing_behind_its_cut(body: str) -> None:
    rendered = html(body)
    assert rendered.cut_is_whole
    assert rendered.preview_html == ""


def test_the_body_is_whole_and_without_its_mark() -> None:
    rendered = html("<p>a</p><!--more--><p>b</p>")
    assert rendered.body_html == "<p>a</p><p>b</p>"


def test_markdown_is_rendered_and_marked() -> None:
    rendered = markdown("# T\n\nOne *two*.\n\n<!--more-->\n\n| a |\n|---|\n| b |\n")
    assert rendered.preview_html == "<h1>T</h1>\n<p>One <em>two</em>.</p>"
    assert "<table>" in rendered.body_html


def test_code_in_markdown_shows_a_mark() -> None:
    source = "a\n\n```\n<!--more-->\n```\n\nb\n\nc\n\nd\n"
    assert markdown(source).cut_by == "automatic"


def test_preview_text_is_one_line_of_words() -> None:
    rendered = html(
        "<h2>A</h2><p>b&amp;c\n  <br>d</p><ul><li>e</li><li>f</li></ul><p>g<!--more--><p>h"
    )
    assert rendered.preview_text == "A b&c d e f g"


TAGS = ("div", "blockquote", "section", "ul", "li", "p", "b", "em", "table", "td", "center", "x-y")


@st.composite
def trees(draw: st.DrawFn, leaf: str) -> str:
    """Well-formed or broken HTML around `leaf`: any nesting, end tags missing or doubled."""
    inside = leaf
    for tag in draw(st.lists(st.sampled_from(TAGS), max_size=6)):
        end = draw(st.sampled_from([f"</{tag}>", "", f"</{tag}></{tag}>", "</b>"]))
        inside = f"<{tag}>{inside}{end}"
    return inside


@given(
    before=st.lists(trees("<p>seen</p>"), max_size=4),
    mark=trees("<!--more-->"),
    behind=st.lists(trees("<p title='canary'>canary</p>canary"), min_size=1, max_size=4),
)
@settings(max_examples=200)
def test_nothing_behind_the_mark_is_in_the_preview(
    before: list[str], mark: str, behind: list[str]
) -> None:
    rendered = html("".join([*before, mark, *behind]), blocks=50)
    assert "canary" not in rendered.preview_html
    assert "canary" not in rendered.preview_text
    assert "canary" in rendered.body_html
    assert rendered.preview_html.count("seen") == len(before)


@given(st.text(alphabet=st.sampled_from("<>!-/ \"'=abmorep&;\n"), max_size=200))
def test_any_text_is_rendered_and_the_preview_is_balanced(body: str) -> None:
    rendered = html(body)
    assert "<!--" not in rendered.body_html
    again = html(rendered.preview_html, blocks=50)
    assert again.body_html == rendered.preview_html


MUCH = 25
"""Times as long as an ordinary body of their length; what grows with the square takes thousands."""


ATTRIBUTES = " ".join(f"a{number}" for number in range(32_000))


@pytest.fixture(scope="module")
def ordinary() -> float:
    """Processor seconds for a quarter of a megabyte of plain paragraphs on this machine."""
    started = time.thread_time()
    html("<p>Some words of a story.</p>\n" * 8_000)
    return time.thread_time() - started


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<div>" * 50_000, id="div"),
        pytest.param("<b>" * 80_000, id="b"),
        pytest.param("<blockquote>" * 22_000 + "<!--more-->", id="blockquote"),
        pytest.param("<div>" * 101 + "x" + "</div>" * 101, id="one-too-deep"),
        pytest.param("<table>" * 300 + "<p>x" * 50_000, id="tables"),
        pytest.param(f"<p {ATTRIBUTES}>x", id="attributes"),
        pytest.param(f"<p a='>' {ATTRIBUTES}>x", id="attributes-behind-a-bracket"),
        pytest.param(f'<p " {ATTRIBUTES}>x', id="attributes-behind-a-stray-quote"),
        pytest.param("<p " + ATTRIBUTES.replace(" ", "='1'") + ">x", id="attributes-side-by-side"),
        pytest.param(f"<p {ATTRIBUTES}", id="attributes-without-an-end"),
    ],
)
def test_what_would_cost_far_more_is_refused_at_once(body: str, ordinary: float) -> None:
    started = time.thread_time()
    with pytest.raises(BodyRefused, match=r"nested|attributes"):
        html(body)
    assert time.thread_time() - started < MUCH * ordinary


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<p>" + "word " * 50_000, id="one-paragraph"),
        pytest.param("<div><b a=1></div>" * 12_000, id="formatting-left-open"),
        pytest.param("<!--more-->" * 22_000, id="marks"),
        pytest.param("<p><!--more-->" + "<!--a-->" * 120_000, id="comments"),
        pytest.param("&lt;" * 60_000, id="entities"),
        pytest.param("<p>" + "&" * 600_000, id="ampersands"),
        pytest.param("<p>" + "\u00a0" * 600_000, id="no-break-spaces"),
        pytest.param("<a href='/?" + "&amp;" * 600_000 + "'>x</a>", id="ampersands-in-an-address"),
        pytest.param("<p>" + "[" * 250_000 + "&" * 20_000, id="text-before-ampersands"),
        pytest.param("<p>" + "&" * 20_000 + "[" * 250_000, id="text-behind-ampersands"),
        pytest.param("<svg>a</svg>" * 20_000, id="svg"),
        pytest.param("<" * 250_000, id="brackets"),
        pytest.param("<img>x" * 40_000, id="pictures-without-address"),
        pytest.param("<noscript><img src=/a></noscript>" * 8_000, id="fallbacks"),
        pytest.param("<picture><source><img></picture>" * 8_000, id="sources"),
        pytest.param("<iframe src=/a></iframe>" * 10_000, id="players"),
        pytest.param("<a href=#a id=a>x</a>" * 12_000, id="places"),
        pytest.param("<p>By A B C</p>" * 15_000, id="bylines"),
        pytest.param("<li>a" * 25_000 + "<p>b", id="items"),
        pytest.param("---\n" + "a: b\n" * 50_000, id="front-matter"),
        pytest.param('<p "' * 60_000, id="quotes-without-an-end"),
        pytest.param(f"<p {ATTRIBUTES[:4_000]}>x" * 40, id="many-attributes"),
    ],
)
def test_a_hostile_body_takes_little_time(body: str, ordinary: float) -> None:
    started = time.thread_time()
    html(body)
    assert time.thread_time() - started < MUCH * ordinary


LONG = "x" * 200_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"<p><a href='/{LONG}'><div></div>" + "<p>x</p>" * 20_000, id="link"),
        pytest.param(
            "".join(f"<p><b lang=a{number}>" for number in range(20)) + "<p>x</p>" * 20_000,
            id="formatting",
        ),
        pytest.param(
            "<ul>" + "".join(f"<li><i lang=a{number}>" for number in range(20)) + "<li>x" * 60_000,
            id="items",
        ),
        pytest.param(f"<a href='/{LONG}'><a>" + "<p>x</p>" * 20_000, id="link-in-link"),
        pytest.param(f"<table><b lang={LONG}>" + "<tr></tr>x" * 400, id="table"),
    ],
)
def test_formatting_is_not_repeated_block_by_block(body: str) -> None:
    rendered = html(body)
    assert len(rendered.body_html) < 3 * len(body)
    assert rendered.body_html.count(LONG) <= 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<table>" + "<p>x</p>" * 20_000, id="in-the-table"),
        pytest.param("<table><tr>" + "x<td></td>" * 60_000, id="between-cells"),
        pytest.param("<table><tr><td><div><td></td>" + "<p>x</p>" * 20_000, id="closed-cell"),
    ],
)
def test_content_strewn_through_tables_is_refused(body: str) -> None:
    with pytest.raises(BodyRefused, match="outside of cells"):
        html(body)


@pytest.mark.parametrize(
    ("body", "rendered"),
    [
        ("<a href='/x'><figure><img src='/y'></figure>z</a>",
         '<a href="/x" rel="noopener"><figure><img src="/y"></figure>z</a>'),
        ("<section><b>x<div>y</div></b></section>", "<section>x<div>y</div></section>"),
        ("<p><b><i>x</i></b></p>", "<p><b><i>x</i></b></p>"),
        ("<table><tr><td><p>x</p><b>y</b></td></tr></table>",
         "<table><tbody><tr><td><p>x</p><b>y</b></td></tr></tbody></table>"),
    ],
)  # fmt: skip
def test_formatting_stays_where_it_holds_no_blocks(body: str, rendered: str) -> None:
    assert html(body).body_html == rendered


@pytest.mark.parametrize("body", ["[^a]: x\n\n" + "[^a]" * 5001, "[^a]: [^a]\n\n[^a]" * 2501])
def test_notes_without_end_are_refused(body: str) -> None:
    with pytest.raises(BodyRefused, match="more than 5000 references"):
        markdown(body)


def test_markdown_quotes_by_the_hundred_thousand_are_no_danger() -> None:
    assert "<blockquote>" in markdown("> " * 100_000 + "x").body_html


@pytest.mark.parametrize("sign", ["\x01", "\x0c", "\x13", "\x7f", "\ufffe", "&#1;", "&#x13;"])
@pytest.mark.parametrize("rendered", [html, markdown])
@pytest.mark.parametrize(
    "body",
    [
        "One# two three four five six. Eight# nine ten eleven twelve.",
        "<p title='#'>a#b c d. e f# g h i j</p><a href='#p#'>x</a> <i id='p#'>a b c d</i>",
        "<iframe src='https://a.example/#'></iframe><math alttext='#'><mi>x#</mi></math>",
    ],
)
def test_signs_that_nobody_sees_are_left_out(
    body: str, rendered: Callable[[str], Rendered], sign: str
) -> None:
    shown = rendered(body.replace("#", sign)).body_html
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ufffe]", shown)
