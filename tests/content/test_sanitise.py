import pytest

from service.content.cut import render
from service.content.preview import Limits

LIMITS = Limits(blocks=3, words=200, withheld_percent=40)


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ("<script>alert(1)</script>a", "a"),
        ("<p onclick='x()' style='top:0' class='c' id='i' name='n'>a</p>", "<p>a</p>"),
        ("<a href='javascript:alert(1)'>a</a>", "a"),
        ("<a href='JaVa\tScRiPt:alert(1)'>a</a>", "a"),
        ("<a href='\x01javascript:alert(1)'>a</a>", "a"),
        ("<a href='java&#x73;cript:alert(1)'>a</a>", "a"),
        ("<a href='mailto:a@example.org'>a</a>",
         '<a href="mailto:a@example.org" rel="noopener">a</a>'),
        ("<a href='tel:+351210000000'>a</a>", '<a href="tel:+351210000000" rel="noopener">a</a>'),
        ("<a>a</a> <a href=''>b</a> <a href='#'>c</a> <a href='#none'>d</a>", "a b c d"),
        ("<a href='/b' target=_blank>a</a>", '<a href="/b" rel="noopener">a</a>'),
        ("<a href='https://a.example/?b=1&amp;c=2'>a</a>",
         '<a href="https://a.example/?b=1&amp;c=2" rel="noopener">a</a>'),
        ("<img src='data:image/svg+xml,x' onerror='x()'>", ""),
        ("<img src='/a.jpg' srcset='javascript:x' alt='b'>", '<img src="/a.jpg" alt="b">'),
        ("<iframe src='javascript:x'>a</iframe>b", "b"),
        ("<svg><style><!--</style><img src=x onerror=x()>--></style></svg>a", "a"),
        ("<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x()&gt;'>",
         ""),
        ("<noscript><p title='</noscript><img src=x onerror=x()>'></noscript>a", None),
        ("<form action='/x'><input name=a><button>go</button> a</form>", "<div>go a</div>"),
        ("<base href='//evil.example'><meta http-equiv=refresh content='0;//e'><link rel=x>a", "a"),
        ("<style>*{display:none}</style>a", "a"),
        ("<p>a&lt;script&gt;b</p>", "<p>a&lt;script&gt;b</p>"),
        ("<custom-element>a</custom-element>", "a"),
        ("<h2>a<h3>b", "<h2>a</h2><h3>b</h3>"),
        ("<?php evil() ?>a", "a"),
        ("<o:p>a</o:p>", "a"),
    ],
)  # fmt: skip
def test_only_what_is_listed_stays(body: str, clean: str | None) -> None:
    rendered = render(body, "html", LIMITS).body_html
    if clean is not None:
        assert rendered == clean
    for word in ("onerror=", "onclick", "script:", "<style", "<svg", "<iframe", "style="):
        assert word not in rendered


def test_markdown_is_sanitised_too() -> None:
    body = "[a](javascript:x) <img src=x onerror=y> <script>z</script>\n\n<div onclick=x>b</div>"
    rendered = render(body, "markdown", LIMITS).body_html
    assert "onerror" not in rendered
    assert "onclick" not in rendered
    assert "<script" not in rendered
    assert 'href="javascript' not in rendered


@pytest.mark.parametrize("unit", ["&", "&amp;b ", "\u00a0", "x &eacute; < > "])
def test_a_long_text_stays_as_it_is(unit: str) -> None:
    """It goes through the sanitiser in pieces; what is between two of them mustn't be seen."""
    short, long = (render(f"<p>{unit * n}</p>", "html", LIMITS).body_html for n in (10, 20_000))
    assert long.removeprefix("<p>").removesuffix("</p>") == 2_000 * (
        short.removeprefix("<p>").removesuffix("</p>")
    )


def test_a_comment_full_of_signs_ends_where_it_ends() -> None:
    body = f"<p>a<!-- {'&amp;' * 20_000} secret -->b</p>"
    assert render(body, "html", LIMITS).body_html == "<p>ab</p>"


def test_an_attribute_longer_than_any_of_use_goes() -> None:
    body = f"<a href='/{'a' * 5_000}'>x</a><img src='/a.jpg' alt='{'b' * 5_000}'>"
    assert render(body, "html", LIMITS).body_html == 'x<img src="/a.jpg">'
