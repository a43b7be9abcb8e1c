"""No word is lost or turned round: what a source shows, in order, is what is stored.

Generated posts are put together from pieces, each with the words that its source shows and the
notes that an import must have of it; so the property needs no second reading of WordPress's rules.
"""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.content.cut import render
from service.content.importers.article import ImportedArticle
from service.content.preview import Limits
from tests.content.importers.exports import articles, attachment, item, meta
from tests.content.importers.visible import visible_words

LIMITS = Limits(blocks=3, words=120, withheld_percent=40)


@dataclass(frozen=True)
class Piece:
    """A part of a post: its source, the words that it shows, the kinds of notes it needs.

    `#` is the piece's number in the post.
    """

    source: str
    words: str
    notes: tuple[str, ...] = ()


PIECES = [
    Piece("Plain # <em>and</em> <s>struck</s> <del>out #</del>.", "Plain # and struck out #."),
    Piece("# lines\nin one<br>paragraph", "# lines in one paragraph"),
    Piece("“[T]he [minister] […] said [sic] #”", "“[T]he [minister] […] said [sic] #”"),
    Piece(
        '[Update #: the council has <a href="https://a.example/r">its report</a>.]',
        "[Update #: the council has its report.]",
    ),
    Piece('[note key="v" and more #]', '[note key="v" and more #]'),
    Piece("<blockquote>quote #\n<cite>who #</cite></blockquote>", "quote # who #"),
    Piece("<ul><li>one #<li>two #</ul><ol><li>three</ol>", "one # two # three"),
    Piece("<table><tr><th>h #</th><td>d #</td></tr></table>", "h # d #"),
    Piece("<details><summary>sum #</summary>det #</details>", "sum # det #"),
    Piece("<button>press #</button>", "press #"),
    Piece("<center>mid #</center> <font color=red>red #</font>", "mid # red #"),
    Piece("<dl><dt>term #<dd>meaning</dl>", "term # meaning"),
    Piece("<h2>head #</h2>", "head #"),
    Piece("a# < b# and AT&T &amp; &eacute;# I <3 it", "a# < b# and AT&T & é# I <3 it"),
    Piece("soft&shy;ly&nbsp;# <!-- unseen # -->", "softly #"),
    Piece("<script>var x = '#';</script><style>p#</style>", ""),
    Piece("<pre>pre #\n  [is] kept</pre>", "pre # [is] kept"),
    Piece("<code>[x y=#]</code>", "[x y=#]"),
    Piece("https://v.example/#", "https://v.example/#"),
    Piece('<a href="#p">in page #</a> <a href="mailto:a@b.example">mail</a>', "in page # mail"),
    Piece('[caption width="3"]<img src="https://a.example/#.jpg"> cap #[/caption]', "cap #"),
    Piece('[box color="red"]inner #[/box]', "inner #"),
    Piece("[vc_row][vc_column]cell #[/vc_column][/vc_row]", "cell #"),
    Piece('[gallery ids="1"]', "A picture"),
    Piece('[gallery ids="1,404"]', "A picture", ("missing-media",)),
    Piece('[su_spacer size="#"]', "", ("shortcode",)),
    Piece('[toggle title="More"]folded #[/toggle]', "folded #", ("shortcode",)),
    Piece('<iframe src="https://c.example/#" title="Chart #"></iframe>', "Chart #", ("player",)),
    Piece("<video src='https://c.example/#'>old</video>", "https://c.example/#", ("player",)),
    Piece("[youtube https://y.example/#]", "https://y.example/#", ("player",)),
    Piece("<embed>", "", ("lost-player",)),
    Piece('<iframe src="https://c.example/#" /> then #', "https://c.example/# then #", ("player",)),
    Piece("<text>drawn #</text> <line>said #</line> <xmp>as is #</xmp>", "drawn # said # as is #"),
    Piece("ask # <select><option>unseen</option></select>", "ask #", ("form",)),
    Piece("<svg><text>drawn #</text></svg>", "", ("drawing",)),
    Piece('<div style="color:red;display: none">a <div>b #</div></div>', "", ("hidden-text",)),
    Piece("so <span hidden>unseen #</span> it is", "so it is", ("hidden-text",)),
    Piece('<p data-hidden="x" style="text-display:none">seen #</p>', "seen #"),
    Piece("[:en]English #[:pt]Porto #[:]", "English #", ("language",)),
    Piece("[restrict]closed #[/restrict]", "closed #"),
    Piece("[acme_premium]closed #[/acme_premium]", "closed #", ("unknown-wall",)),
    Piece("[not_logged_in]join #[/not_logged_in]", "", ("visitors-only",)),
    Piece("<!--more-->", ""),
    Piece("<!--nextpage-->", ""),
]

BLOCKS = [
    Piece("<!-- wp:paragraph -->\n<p>Plain # [sic].</p>\n<!-- /wp:paragraph -->", "Plain # [sic]."),
    Piece(
        '<!-- wp:heading {"level":3} -->\n<h3>Head #</h3>\n<!-- /wp:heading -->',
        "Head #",
    ),
    Piece(
        "<!-- wp:quote --><blockquote><p>said #</p><cite>who</cite></blockquote><!-- /wp:quote -->",
        "said # who",
    ),
    Piece(
        "<!-- wp:buttons --><div><!-- wp:button --><div><a>press #</a></div><!-- /wp:button -->"
        "</div><!-- /wp:buttons -->",
        "press #",
    ),
    Piece(
        "<!-- wp:details --><details><summary>sum #</summary><!-- wp:paragraph --><p>det</p>"
        "<!-- /wp:paragraph --></details><!-- /wp:details -->",
        "sum # det",
    ),
    Piece(
        '<!-- wp:embed {"url":"https://v.example/#"} -->\n<figure><div>\nhttps://v.example/#\n</div>'
        "<figcaption>cap #</figcaption></figure>\n<!-- /wp:embed -->",
        "https://v.example/# cap #",
    ),
    Piece('<!-- wp:embed {"url":"https://v.example/#"} /-->', "https://v.example/#", ("player",)),
    Piece('<!-- wp:block {"ref":31,"metadata":{"name":"Help"}} /-->', "Help us."),
    Piece(
        '<!-- wp:block {"ref":31,"content":{"Help":{"content":"#"}}} /-->',
        "Help us.",
        ("block-words",),
    ),
    Piece("<!-- wp:latest-posts /-->", "", ("block",)),
    Piece('<!-- wp:block {"ref":404} /-->', "", ("missing-block",)),
    Piece('<!-- wp:block {"ref":31} /-->', "Help us."),
    Piece('<!-- wp:spacer {"height":"#px"} -->\n<div></div>\n<!-- /wp:spacer -->', ""),
    Piece("<!-- wp:jetpack/paywall /-->", ""),
    Piece(
        "<!-- wp:premium-content/container --><!-- wp:premium-content/logged-out-view --><p>join #"
        "</p><!-- /wp:premium-content/logged-out-view --><!-- wp:premium-content/subscriber-view -->"
        "<p>paid #</p><!-- /wp:premium-content/subscriber-view --><!-- /wp:premium-content/container "
        "-->",
        "paid #",
        ("visitors-only",),
    ),
    Piece(
        '<!-- wp:group {"metadata":{"blockVisibility":false}} --><p>unseen #</p><!-- /wp:group -->',
        "",
        ("hidden",),
    ),
    Piece("[gallery ids=1]", "A picture"),
]

BESIDE = attachment(1, "a.jpg", caption="A picture") + item(
    {
        "wp:post_id": "31",
        "wp:post_type": "wp_block",
        "content:encoded": "<![CDATA[<!-- wp:paragraph --><p>Help us.</p><!-- /wp:paragraph -->]]>",
    }
)


def imported(content: str, extra: str = "") -> ImportedArticle:
    cdata = content.replace("]]>", "]]]]><![CDATA[>")
    (made,) = articles(item({"content:encoded": f"<![CDATA[{cdata}]]>"}, extra=extra) + BESIDE)
    return made


def holds(pieces: list[Piece]) -> None:
    """Check the property for a post made of these pieces."""
    numbered = [(piece.source, piece.words, number) for number, piece in enumerate(pieces, 1)]
    made = imported("\n\n".join(source.replace("#", str(n)) for source, _, n in numbered))
    shown = " ".join(words.replace("#", str(n)) for _, words, n in numbered)
    stored = render(made.body, "html", LIMITS).body_html
    assert "".join(visible_words(stored)) == "".join(shown.split()), stored
    notes = [kind for piece in pieces for kind in piece.notes if kind != "language"]
    if any("language" in piece.notes for piece in pieces):
        notes.append("language")  # once a post
    assert Counter(note.kind for note in made.notes) == Counter(notes)


ALWAYS = Piece("The story.", "The story.")
# Two of them would make a pair.
ALONE = Piece("<a href=\"/#>quote #</a> <b title='x>open #</b>", "quote # open #")


@pytest.mark.parametrize("piece", [*PIECES, ALONE], ids=lambda piece: piece.source[:30])
def test_each_piece_keeps_its_words(piece: Piece) -> None:
    holds([ALWAYS, piece, ALWAYS])


@pytest.mark.parametrize("piece", BLOCKS, ids=lambda piece: piece.source[:30])
def test_each_block_keeps_its_words(piece: Piece) -> None:
    holds([BLOCKS[0], piece, BLOCKS[0]])


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_word_of_a_classic_post_is_lost_or_turned_round(pieces: list[Piece]) -> None:
    holds([ALWAYS, *pieces])


@given(st.lists(st.sampled_from(BLOCKS), max_size=12))
def test_no_word_of_a_block_post_is_lost_or_turned_round(pieces: list[Piece]) -> None:
    holds([BLOCKS[0], *pieces])


@pytest.mark.parametrize("block", ["<!-- wp:footnotes /-->", ""])
def test_footnotes_stand_at_the_end_and_are_linked(block: str) -> None:
    content = (
        '<p>A claim<sup data-fn="u1" class="fn"><a href="#u1" id="u1-link">1</a></sup>.</p>'
        f"<p>Two.</p><p>Three.</p>{block}"
    )
    notes = '[{"content":"Town archive, <em>vol. 2</em>","id":"u1"},{"content":"Unused","id":"u2"}]'
    made = imported(content, meta("footnotes", notes))
    assert visible_words(made.body)[-5:-1] == ["Town", "archive,", "vol.", "2"]
    assert '<li id="u1">' in made.body
    assert 'href="#u1-link"' in made.body
    assert "Unused" not in made.body
