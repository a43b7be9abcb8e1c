"""What WordPress stores, and the HTML it has to become."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.content.importers.found import Found
from service.content.importers.markup import BLOCKS, Kind, plain_text, tokenise
from service.content.importers.wordpress_body import (
    Attachment,
    Attachments,
    Surroundings,
    article_html,
)

LIBRARY = Attachments()
for number, (name, alt, caption) in enumerate(
    [
        ("a.jpg", "Alpha", "First <em>one</em>"),
        ("b.png", "", "Second"),
        ("c.pdf", "", ""),
        ("d.JPEG?x=1", "", ""),
    ],
    start=1,
):
    LIBRARY.add(str(number), Attachment(f"https://p.example/{name}", alt, caption), {"70"})

A = '<figure><img src="https://p.example/a.jpg" alt="Alpha">'
A += "<figcaption>First <em>one</em></figcaption></figure>"
B = '<figure><img src="https://p.example/b.png" alt="Second">'
B += "<figcaption>Second</figcaption></figure>"
D = '<figure><img src="https://p.example/d.JPEG?x=1" alt=""></figure>'


def body(content: str, post_id: str = "7") -> str:
    """The HTML without the line ends that only keep the source readable."""
    made = article_html(content, Surroundings(post_id, LIBRARY, {}), Found())
    return re.sub(rf"(</(?:{'|'.join(BLOCKS)})>|<hr>|<hr />|-->)\n", r"\1", made)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # blank lines and line ends
        ("One.\n\nTwo.", "<p>One.</p><p>Two.</p>"),
        ("One.\r\n\r\nTwo.\r\nAnd.", "<p>One.</p><p>Two.<br>\nAnd.</p>"),
        ("One.\n \t\n\n\nTwo.", "<p>One.</p><p>Two.</p>"),
        ("One.<br><br />\nTwo.", "<p>One.</p><p>Two.</p>"),
        ("One.<br>\nTwo.<br/>", "<p>One.<br>\nTwo.</p>"),
        ("One.\n\n&nbsp;\n\nTwo.", "<p>One.</p><p>Two.</p>"),
        ("  One. \n", "<p>One.</p>"),
        ("", ""),
        ("\n\n&nbsp;\n", ""),
        # inline elements
        ("<em>a\n\nb</em> c", "<p><em>a</em></p><p><em>b</em> c</p>"),
        ('<a href="u">a\n\nb</a>', '<p><a href="u">a</a></p><p><a href="u">b</a></p>'),
        ("a <strong>b", "<p>a <strong>b</strong></p>"),
        ("a</em> b", "<p>a b</p>"),
        ("a <b>b <i>c</b> d</i>", "<p>a <b>b <i>c</b> d</i></p>"),
        # blocks
        ("<h2>Head</h2>\nText", "<h2>Head</h2><p>Text</p>"),
        ("Text\n<h2>Head\nline</h2>", "<p>Text</p><h2>Head<br>\nline</h2>"),
        ("<div>one</div>", "<div>one</div>"),
        ("<div>one\n\ntwo</div>", "<div><p>one</p><p>two</p></div>"),
        ("<div>one\n<p>two</p></div>", "<div>one<p>two</p></div>"),
        ("<p>one</p>\n<p>two", "<p>one</p><p>two</p>"),
        ("<p>one\n\ntwo</p>", "<p>one</p><p>two</p>"),
        ('<p class="x">one\ntwo</p>', '<p class="x">one<br>\ntwo</p>'),
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("<p>one<div>two</div></p>", "<p>one</p><div>two</div>"),
        ("one</div> two", "<p>one</p><p>two</p>"),
        ("<p>&nbsp;</p><p></p>x", "<p>x</p>"),
        ("<div>\n<div></div>\n</div>x", "<p>x</p>"),
        ("a<hr />b", "<p>a</p><hr /><p>b</p>"),
        ('<a href="u"><h2>Head</h2></a>', '<a href="u"><h2>Head</h2></a>'),
        ("x <em><p>a</p></em>", "<p>x</p><em><p>a</p></em>"),
        ("<p><em>a</p><p>b</em></p>", "<p><em>a</em></p><p>b</p>"),
        # quotations
        ("<blockquote>one</blockquote>", "<blockquote><p>one</p></blockquote>"),
        (
            "He said:\n<blockquote>one\n\ntwo\n<cite>she</cite></blockquote>\nEnd.",
            (
                "<p>He said:</p><blockquote><p>one</p><p>two<br>\n<cite>she</cite></p></blockquote>"
                "<p>End.</p>"
            ),
        ),
        ("<blockquote><p>one</p></blockquote>", "<blockquote><p>one</p></blockquote>"),
        # lists and tables
        (
            "<ul>\n\t<li>one</li>\n\t<li>two\n<ol>\n<li>in</li>\n</ol>\n</li>\n</ul>",
            "<ul><li>one</li><li>two<ol><li>in</li></ol></li></ul>",
        ),
        ("<ul><li>one<li>two</ul>", "<ul><li>one</li><li>two</li></ul>"),
        ("<li>one\n\ntwo</li>", "<li><p>one</p><p>two</p></li>"),
        (
            "<table>\n<tr>\n<td>1</td>\n<td></td>\n</tr>\n</table>",
            "<table><tr><td>1</td><td></td></tr></table>",
        ),
        ("<dl><dt>a<dd>b\nc</dl>", "<dl><dt>a</dt><dd>b<br>\nc</dd></dl>"),
        # what stays as it is
        ("<pre>a\n\n  b <i>c</i></pre>", "<pre>a\n\n  b <i>c</i></pre>"),
        ("a\n<pre>b\n", "<p>a</p><pre>b</pre>"),
        ("a < b and b > c, I <3 it", "<p>a &lt; b and b > c, I &lt;3 it</p>"),
        ('<img alt="a > b\n\nc" src="x">', '<p><img alt="a > b\n\nc" src="x"></p>'),
        ("<script>\n\nx</script><style>y</style>z", "<p>z</p>"),
        ("<!-- a note to the editor -->text<!-- open", "<p>text open</p>"),
        ("a\n<!-- note -->\nb", "<p>a</p><p>b</p>"),
        ("a <iframe>\n\n</iframe> b", "<p>a  b</p>"),
    ],
)
def test_classic_text_gets_its_paragraphs(content: str, expected: str) -> None:
    assert body(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("One.\n\n<!--more-->\n\nTwo.", "<p>One.</p><!--more--><p>Two.</p>"),
        ("One.<!--more Read on, please-->Two.", "<p>One.</p><!--more--><p>Two.</p>"),
        ("One.<!-- more -->Two.", "<p>One.</p><!--more--><p>Two.</p>"),
        ("a<!--more-->b<!--more-->c", "<p>a</p><!--more--><p>b</p><p>c</p>"),
        ("<p>a <!--more--> b</p>", "<p>a</p><!--more--><p>b</p>"),
        ("<em>a<!--more-->b</em>", "<p><em>a</em></p><!--more--><p><em>b</em></p>"),
        ("<div>a<!--more-->b</div>", "<div>a<!--more-->b</div>"),
        ("<pre>a<!--more-->b</pre>c", "<pre>ab</pre><p>c</p>"),
        ("a<!--more--><!--noteaser-->b", "<p>a</p><!--more--><p>b</p>"),
        ("a<!--nextpage-->b", "<p>a</p><p>b</p>"),
        ("<!--moreover-->a", "<p>a</p>"),
        (
            (
                "<!-- wp:paragraph --><p>a</p><!-- /wp:paragraph -->\n\n"
                '<!-- wp:more {"customText":"On"} -->\n<!--more On-->\n<!-- /wp:more -->\n'
                "<!-- wp:paragraph --><p>b</p><!-- /wp:paragraph -->"
            ),
            "<p>a</p><!--more--><p>b</p>",
        ),
    ],
)
def test_the_cut_stands_once_and_between_blocks(content: str, expected: str) -> None:
    assert body(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            (
                '<!-- wp:heading {"level":3} -->\n<h3>A\nb</h3>\n<!-- /wp:heading -->\n\n\n'
                "<!-- wp:list --><ul><!-- wp:list-item -->\n<li>one</li>\n<!-- /wp:list-item --></ul>"
                "<!-- /wp:list --><!-- wp:latest-posts /-->"
            ),
            "<h3>A\nb</h3><ul><li>one</li></ul>",
        ),
        (
            "<!-- wp:quote --><blockquote><p>a</p><cite>b</cite></blockquote><!-- /wp:quote -->",
            "<blockquote><p>a</p><cite>b</cite></blockquote>",
        ),
        ("<!-- wp:html --><b>x</b>\ny<!-- /wp:html -->", "<p><b>x</b>\ny</p>"),
        (
            "<!-- wp:embed --><figure><div>\nhttps://v.example/1?a=1&amp;b=2\n</div></figure>",
            (
                '<figure><div><a href="https://v.example/1?a=1&amp;b=2">'
                "https://v.example/1?a=1&amp;b=2</a></div></figure>"
            ),
        ),
        ("<!-- wp:nextpage --><!--nextpage--><!-- /wp:nextpage --><p>x</p>", "<p>x</p>"),
        ('<!-- wp:gallery --><!-- /wp:gallery -->[gallery ids="2"]', B),
    ],
)
def test_the_block_editors_markup_is_kept_without_its_comments(content: str, expected: str) -> None:
    assert body(content) == expected


URL = "https://v.example/watch?v=1&b=2"
LINK = f'<a href="{URL}">{URL}</a>'.replace("&", "&amp;")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (URL, f"<p>{LINK}</p>"),
        (f"a\n\n{URL}\n\nb", f"<p>a</p><p>{LINK}</p><p>b</p>"),
        (f"a\n  {URL} \nb", f"<p>a<br>\n{LINK}<br>\nb</p>"),
        (f"<p>{URL}</p>", f"<p>{LINK}</p>"),
        (f"see {URL}", f"<p>see {URL}</p>"),
        (f"<em>x</em>{URL}", f"<p><em>x</em>{URL}</p>"),
        (f'<a href="u">\n{URL}\n</a>', f'<p><a href="u"><br>\n{URL}<br>\n</a></p>'),
        (f"<pre>\n{URL}\n</pre>", f"<pre>\n{URL}\n</pre>"),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
        (f"[embed]{URL}[/embed]", f"<p>{LINK}</p>"),
        (f'[video mp4="{URL}" width="3"][/video]', f"<p>{LINK}</p>"),
        (f"a [audio {URL}] b", f"<p>a</p><p>{LINK}</p><p>b</p>"),
        (f"[youtube={URL.replace('&', '&amp;')}]", f"<p>{LINK}</p>"),
    ],
)
def test_embeds_become_links(content: str, expected: str) -> None:
    assert body(content) == expected


IMG = '<img src="i.jpg" alt="x" />'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            f'[caption id="a_1" align="left" width="3"]{IMG} The <em>words</em>[/caption]',
            f"<figure>{IMG}<figcaption>The <em>words</em></figcaption></figure>",
        ),
        (
            f'a [caption caption="Old \'style\'"]<a href="u">{IMG}</a>[/caption] b',
            (
                f"<p>a</p><figure><a href=\"u\">{IMG}</a><figcaption>Old 'style'</figcaption></figure>"
                "<p>b</p>"
            ),
        ),
        (f"[wp_caption]{IMG}[/wp_caption]", f"<figure>{IMG}</figure>"),
        (f"[caption]{IMG} x", f"<p>{IMG} x</p>"),
        ("x[/caption]", "<p>x</p>"),
        (
            f"[caption]{IMG} a [caption]{IMG} b[/caption][/caption]",
            (
                f"<figure>{IMG}<figcaption>a<figure>{IMG}<figcaption>b</figcaption></figure>"
                "</figcaption></figure>"
            ),
        ),
        (
            f"[caption]{IMG} a [embed]b[/caption]c[/embed]",
            f"<figure>{IMG}<figcaption>a b</figcaption></figure><p>c</p>",
        ),
        ('[gallery ids="2,1,99,3"]', B + A),
        ('[gallery include="4"]', D),
        ("x\n[gallery]\ny", "<p>x</p><p>y</p>"),
        ("[gallery id=70 exclude='1, 4']", B),
        # unknown ones, and what only looks like one
        ('[box color="red"]kept <b>words</b>[/box]', "<p>kept <b>words</b></p>"),
        ("[vc_row][vc_column]kept[/vc_column][/vc_row]", "<p>kept</p>"),
        ("a [divider /] b [spacer/] c", "<p>a  b  c</p>"),
        ("a [su_thing] b", "<p>a  b</p>"),
        ("He [sic] and [the minister] said […]", "<p>He [sic] and [the minister] said […]</p>"),
        ("[Video] [youtube] [i] [1] [x = y]", "<p>[Video] [youtube] [i] [1] [x = y]</p>"),
        ("an [it's unclear", "<p>an [it's unclear</p>"),
        ("[/unclosed] text", "<p>[/unclosed] text</p>"),
        # shown, not run
        (
            "write [[gallery]] or [[caption]x[/caption]]",
            "<p>write [gallery] or [caption]x[/caption]</p>",
        ),
        ("[[a x=1][b y=1][/a]] [b y=1]", "<p>[a x=1][b y=1][/a]</p>"),
        ("a[[1]] b[[i]]", "<p>a[[1]] b[[i]]</p>"),
        (
            "<code>[gallery]</code> <pre>[x y=1]</pre>",
            "<p><code>[gallery]</code></p><pre>[x y=1]</pre>",
        ),
        ('<a href="u" title="[gallery]">x</a>', '<p><a href="u" title="[gallery]">x</a></p>'),
    ],
)
def test_shortcodes(content: str, expected: str) -> None:
    assert body(content) == expected


def test_a_gallery_without_ids_shows_what_was_uploaded_to_the_post() -> None:
    assert body("[gallery]", post_id="70") == A + B + D


PIECES = [
    "<p>", "</p>", "<div>", "</div>", "<em>", "</em>", "<a href='u'>", "</a>", "<li>", "<ul>",
    "</ul>", "<br>", "<hr>", "<pre>", "</pre>", "<blockquote>", "</blockquote>", "\n", "\n\n", " ",
    "<!--more-->", "<!--more x-->", "<!--nextpage-->", "<!-- note -->", "<td>", "<table>", "<h2>",
    "one", "two", "&amp;", "<img src=x>", "<", "https://v.example/1", "<!-- wp:x -->", "&nbsp;",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=100)
def test_no_word_is_lost_or_added_and_the_result_is_stable(content: str) -> None:
    made = body(content)
    assert plain_text(made).replace(" ", "") == plain_text(content).replace(" ", "")
    assert made.count("<!--more-->") == min(1, len(re.findall(r"<!--more", content))) or (
        "<pre>" in content
    )
    tokens = tokenise(content)
    as_it_is = "".join(token.source for token in tokens if token.kind is Kind.ATOM)  # whole <pre>s
    for name in ("p", "div", "ul", "li", "blockquote", "h2", "td", "table"):
        opened = made.count(f"<{name}>") - as_it_is.count(f"<{name}>")
        assert opened == made.count(f"</{name}>") - as_it_is.count(f"</{name}>"), name


@given(st.text(alphabet="[]/ab_=\"'<>-! \n", max_size=60))
def test_any_text_is_read_without_an_error(content: str) -> None:
    body(content)


@pytest.mark.parametrize(
    "hostile",
    [
        "<pre>",
        "<!--",
        "[a ",
        "[caption]",
        '[a "',
        "<a '",
        "<em>",
        "<div>",
        "\n ",
        "&nbsp;",
        "<br>",
        "[a]",
        "[restrict]",
        "[not_logged_in][/not_logged_in]",
        "[acme_paywall x=1]",
        "[:en]",
        "<!-- wp:premium-content/container -->",
        "<!-- wp:premium-content/logged-out-view -->",
        "<!-- wp:x {",
        "<!--kg-gated-block:begin",
        "<span id=",
        '<iframe src="',
        "<video src=/a>",
        "<script>",
        "<noscript><a href=x>",
    ],
)
def test_a_hostile_body_is_read_in_reasonable_time(hostile: str) -> None:
    # The test's own timeout is the bar: quadratic steps would take many minutes.
    body(hostile * 20_000)
