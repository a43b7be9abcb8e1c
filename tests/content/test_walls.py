"""The text behind a wall of the source is in nothing that is public."""

import pytest

from service.content.cut import BodyFormat, CutBy, render
from service.content.preview import Limits
from service.levels import Level

LIMITS = Limits(blocks=9, words=200, withheld_percent=40)
OPEN = "<p>Open one.</p>"
PAID = "<p>Paid two.</p>"
REST = "<p>Three words here.</p><p>And four words here.</p>"
GATED = '<!--kg-gated-block:begin nonMember:false memberSegment:"{}" -->'
GATE_END = "<!--kg-gated-block:end-->"

WALLS = [
    # body, who cuts, level
    (f"{OPEN}<!--wall:subscribers-->{PAID}{REST}", "wall", "subscribers"),
    (f"{OPEN}<!--wall:registered-->{PAID}{REST}", "wall", "registered"),
    (f"{OPEN}<!--members-only-->{PAID}{REST}", "mark", None),
    (f"{OPEN}{GATED.format('status:-free')}{PAID}{GATE_END}{REST}", "wall", "subscribers"),
    (f"{OPEN}{GATED.format('status:free,status:-free')}{PAID}{GATE_END}{REST}", "wall",
     "registered"),
    (f"{OPEN}<div data-gh-segment='status:-free'>{PAID}</div>{REST}", "wall", "subscribers"),
    (f"{OPEN}<paywall>{PAID}</paywall>{REST}", "wall", "subscribers"),
    (f"<p>Open one. <paywall>Paid two.</paywall> More.</p>{REST}", "wall", "subscribers"),
    (f"{OPEN}<members-only>{PAID}</members-only>{REST}", "wall", "subscribers"),
    (f"{OPEN}<x-premium-content>{PAID}</x-premium-content>{REST}", "wall", "subscribers"),
    (f"{OPEN}<!--- members-only --->{PAID}{REST}", "mark", None),
    (f"{OPEN}<x:paywall>{PAID}</x:paywall>{REST}", "wall", "subscribers"),
    (f"{OPEN}<noscript><!--members-only--></noscript>{PAID}{REST}", "mark", None),
    (f"{OPEN}<select><option>One<!--members-only--></select>{PAID}{REST}", "mark", None),
    (f"{OPEN}<template><p><paywall></paywall></p></template>{PAID}{REST}", "wall", "subscribers"),
    (f"{OPEN}<math><mi>x</mi><!--wall:registered--></math>{PAID}{REST}", "wall", "registered"),
    (f"{OPEN}<svg><g><!-- paywall --></g></svg>{PAID}{REST}", "wall", "subscribers"),
    (f"{OPEN}<object><video><!--members-only--></video></object>{PAID}{REST}", "mark", None),
    (f"{OPEN}<!-- paywall -->{PAID}<!-- /paywall -->{REST}", "wall", "subscribers"),
    (f"{OPEN}<!-- begin premium content -->{PAID}<!-- end premium content -->{REST}", "wall",
     "subscribers"),
    (f"<p>Open one.<span id='more-12'></span></p>{PAID}{REST}", "mark", None),
    (f"<p>Open one.</p><p><span id='more-12'></span>Paid two.</p>{REST}", "mark", None),
    (f"<p>Open one. <span id='more-12'></span>Paid two.</p>{REST}", "mark", None),
    (f"{OPEN}<!-- wp:jetpack/paywall /-->{PAID}{REST}", "wall", "subscribers"),
    (f"{OPEN}<!-- wp:premium-content/container --><div>{PAID}</div>{REST}", "wall",
     "subscribers"),
    (f"<p>Open one.<!--more--> <paywall>Paid two.</paywall></p>{REST}", "wall", "subscribers"),
    (f"{OPEN}<!--more-->{REST}<paywall>{PAID}</paywall>", "mark", "subscribers"),
]  # fmt: skip
HINTS = [
    (f"{OPEN}<div class='wp-block-jetpack-paywall'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div class='x wp-block-premium-content-container'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<section class='paywall'>{PAID}</section>{REST}", "subscribers"),
    (f"{OPEN}<div class='js-paywall'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div class='article__paywall'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div class='kg-paywall-card'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div class='members-only'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div data-visibility='members'>{PAID}</div>{REST}", "registered"),
    (f"{OPEN}<div data-visibility='paid'>{PAID}</div>{REST}", "subscribers"),
    (f"{OPEN}<div data-paywall>{PAID}</div>{REST}", "subscribers"),
    (f"<p>Open one.<br class='paywall'>Paid two.</p>{REST}", "subscribers"),
    (f"{OPEN}<hr class='paywall'>{PAID}{REST}", "subscribers"),
]
NO_WALLS = [
    f"{GATED.format('')}<p>Open.</p>".replace("nonMember:false", "nonMember:true"),
    "<!-- wp:paragraph --><p>Open.</p>",
    "<!-- wp:premium-content/login-button --><a href='/in'>Sign in</a>",
    """<!-- wp:group {"className":"members"} --><p>Open.</p>""",
    "<!--premiums rise--><p>Open.</p>",
    "<p class='premium-badge member-photo subscribe-box no-paywall'>Open.</p>",
    "<p data-access='public' data-paywall='false'>Open.</p>",
    "<p>&lt;paywall&gt;</p>",
    "<pre><!--members-only-->Open.</pre>",
]  # fmt: skip


@pytest.mark.parametrize(("body", "cut_by", "level"), WALLS)
@pytest.mark.parametrize("body_format", ["html", "markdown"])
def test_the_first_wall_is_the_cut(
    body: str, cut_by: CutBy, level: Level | None, body_format: str
) -> None:
    rendered = render(body, "markdown" if body_format == "markdown" else "html", LIMITS)
    assert rendered.preview_text == "Open one."
    assert rendered.search_text == "Open one."
    assert "Paid" not in rendered.preview_html
    assert "Paid two." in rendered.body_html
    assert (rendered.cut_by, rendered.wall_level) == (cut_by, level)


@pytest.mark.parametrize(
    ("sign", "cut_by"),
    [
        ("<!--- members-only --->", "mark"), ("<!---members-only--->", "mark"),
        ("<!-- members-only -->", "mark"), ("<!---- paywall ---->", "wall"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["Open one. {} Paid two.", "Open *one.* {} *Paid two.*"])
def test_a_sign_amid_a_line_of_markdown_is_obeyed(sign: str, cut_by: CutBy, line: str) -> None:
    body = f"{line.format(sign)}\n\nThree words here.\n\nAnd four words here."
    rendered = render(body, "markdown", LIMITS)
    assert (rendered.cut_by, rendered.preview_text) == (cut_by, "Open one.")
    assert "members-only" not in rendered.body_html


STORY = "<p>One two three.</p><p>Four five six.</p><p>Seven eight nine.</p>"
TOLD = "One[^1] two three.\n\nFour five six.\n\nSeven eight nine.\n\n"
IN_NOTES: list[tuple[str, BodyFormat, Level | None]] = [
    (f"{TOLD}[^1]: A note.<!--more--> Its rest.", "markdown", None),
    (f"{TOLD}[^1]: A note.\n\n    <!--members-only-->\n\n    Its rest.", "markdown", None),
    (f"{TOLD}[^1]: A note. <paywall>Its rest.</paywall>", "markdown", "subscribers"),
    (
        f"{STORY}<ol class='wp-block-footnotes'><li>A note.<!--members-only--> Rest.</ol>",
        "html",
        None,
    ),
    (
        f"{STORY}<div role='doc-endnotes'><p>A.</p><!--members-only--><p>Rest.</p></div>",
        "html",
        None,
    ),
]


@pytest.mark.parametrize(("body", "body_format", "level"), IN_NOTES)
def test_a_sign_in_a_note_makes_no_preview_of_the_story_before_it(
    body: str, body_format: BodyFormat, level: Level | None
) -> None:
    rendered = render(body, body_format, LIMITS)
    assert (rendered.cut_by, rendered.wall_level) == ("automatic", level)
    assert "nine" not in rendered.search_text


@pytest.mark.parametrize(("body", "level"), HINTS)
def test_a_preview_ends_before_what_looks_like_a_wall(body: str, level: Level) -> None:
    rendered = render(body, "html", LIMITS)
    assert rendered.preview_text == "Open one."
    assert (rendered.cut_by, rendered.wall_level) == ("automatic", level)


def test_what_looks_like_a_wall_at_the_end_makes_no_preview_of_the_rest() -> None:
    body = f"{OPEN}{REST}<div class='paywall'>Subscribe now.</div>"
    assert render(body, "html", LIMITS).preview_text == "Open one. Three words here."


@pytest.mark.parametrize("beginning", NO_WALLS)
def test_an_imitated_wall_is_none(beginning: str) -> None:
    rendered = render(f"{beginning}<p>One two three four.</p>{REST}{REST}", "html", LIMITS)
    assert (rendered.cut_by, rendered.wall_level) == ("automatic", None)


@pytest.mark.parametrize("wall", ["<!--wall:subscribers-->", "<paywall>"])
def test_where_the_wall_comes_first_nothing_is_public(wall: str) -> None:
    rendered = render(f"{wall}{PAID}{REST}", "html", LIMITS)
    assert (rendered.preview_html, rendered.preview_text) == ("", "")
    assert rendered.cut_by == "wall"
