"""Bodies that were public too far, or lost something, in this product or in others like it."""

import re
from dataclasses import dataclass

import pytest

from service.content.cut import BodyFormat, Rendered, render
from service.content.preview import Limits

LIMITS = Limits(blocks=3, words=200, withheld_percent=40)
PICTURE = '<figure><img src="https://m.example/a.jpg"></figure>'
LONG = "One of many words that this paragraph of a longer text about the harbour has. " * 2


def rendered(body: str, body_format: BodyFormat = "html") -> Rendered:
    return render(body, body_format, LIMITS)


@dataclass(frozen=True)
class Case:
    """A body, and what its preview is."""

    name: str
    body: str
    preview: str
    body_format: BodyFormat = "html"


PREVIEWS = [
    Case("a picture last", f"<p>One of it.</p><p>Two of it.</p><p>The paid end.</p>{PICTURE}",
         "<p>One of it.</p>"),
    Case("a heading last", "<p>One of it.</p><p>Two of it.</p><p>The paid end.</p><h2>Next</h2>",
         "<p>One of it.</p>"),
    Case("a gallery last", f"<p>One of it.</p><p>Two of it.</p>{PICTURE * 3}", "<p>One of it.</p>"),
    Case("a gallery with captions last",
         f"<p>One two three four five six.</p><p>Seven eight nine ten.</p>"
         f"<figure>{PICTURE}<figcaption>{LONG}</figcaption></figure>",
         "<p>One two three four five six.</p>"),
    Case("one paragraph and a picture", "All of it in one paragraph.\n\n![](https://m.example/a.jpg)",
         "<p>All of it</p>", "markdown"),
    Case("one paragraph of sentences", "<p>One and two. Three and four. Five and six.</p>",
         "<p>One and two.</p>"),
    Case("line breaks for paragraphs",
         "<p>First line of a long text.<br>Second line.<br><img src='/a.jpg'><br>Third line.<br>"
         "Fourth line.</p>",
         "<p>First line of a long text.</p>"),
    Case("line breaks and no full stops", "<p>one two three<br>four five six<br>seven eight</p>",
         "<p>one two three</p>"),
    Case("bare text", "One two three. Four five six.", "One two three."),
    Case("bullets first",
         "<h2>Key points</h2><ul><li>K1</li><li>K2</li><li>K3</li><li>K4</li></ul><p>Para one.</p>"
         "<p>Para two.</p><p>Para three.</p><p>Para four.</p><p>Para five.</p><p>Para six.</p>",
         "<p>Para one.</p><p>Para two.</p><p>Para three.</p>"),
    Case("a list and a closing remark",
         "<ol><li>One is it.</li><li>Two is it.</li><li>Three is it.</li></ol><p>Bye.</p>",
         "<ol><li>One is it.</li><li>Two is it.</li></ol>"),
    Case("a list is divided", "<p>Intro.</p><ul><li>a</li><li>b</li></ul>" + f"<p>{LONG}</p>" * 4,
         "<p>Intro.</p><ul><li>a</li></ul>"),
    Case("a table is divided", "<p>Intro.</p><table>"
         + "".join(f"<tr><td>Club {n}</td><td>{n}</td></tr>" for n in range(20)) + "</table><p>x</p>",
         "<p>Intro.</p><table><tbody><tr><td>Club 0</td><td>0</td></tr>"
         "<tr><td>Club 1</td><td>1</td></tr></tbody></table>"),
    Case("a table first", f"<table><tr><td>1</td><td>2</td></tr></table><p>{LONG}</p>" * 2,
         f"<p>{LONG}</p>"),
    Case("code is held back", f"<p>Intro.</p><pre>a = 1\nb = 2</pre>{f'<p>{LONG}</p>' * 4}",
         "<p>Intro.</p><pre>a = 1</pre>"),
    Case("code after a long paragraph", f"<p>{LONG}</p><pre>a = 1\nb = 2</pre>{f'<p>{LONG}</p>' * 4}",
         f"<p>{LONG}</p>"),
    Case("nothing but code", "<pre>a = 1\nb = 2\nc = 3</pre>", "<pre>a = 1</pre>"),
    Case("a byline first", "<p>By Maren Tolliver</p><p>One two.</p><p>Three four.</p><p>Five.</p>",
         "<p>One two.</p>"),
    Case("a byline by its class",
         "<div class='byline'><img src='/m.jpg'>Maren</div><p>One two.</p><p>Three four.</p>",
         '<div><img src="/m.jpg"></div><p>One two.</p>'),
    Case("a class of authors around everything",
         f"<div class='post author-7'><p>{LONG * 2}</p><p>{LONG * 2}</p></div>",
         f"<div><p>{LONG * 2}</p></div>"),
    Case("a caption first",
         f"<figure><img src='/a.jpg'><figcaption>{LONG}</figcaption></figure><p>One. Two. Three.</p>",
         '<figure><img src="/a.jpg"></figure><p>One.</p>'),
    Case("a heading longer than the text", f"<h2>{LONG}</h2><p>One. Two. Three. Four</p>",
         "<p>One. Two.</p>"),
    Case("a short paragraph, then one that is too long",
         f"<p>Intro.</p><p>{'One two three four five. ' * 60}</p>",
         f"<p>Intro.</p><p>{'One two three four five. ' * 35}".rstrip() + "</p>"),
    Case("Chinese", "<p>他们说桥倒了。没有人受伤。</p>", "<p>他们说桥倒了。</p>"),
    Case("Arabic", "<p>قال المجلس. انهار السور؟ نعم.</p>", "<p>قال المجلس.</p>"),
    Case("only captions", "<figure><img src='/a'><figcaption>One two. Three.</figcaption></figure>",
         '<figure><img src="/a"><figcaption>One</figcaption></figure>'),
]  # fmt: skip


@pytest.mark.parametrize("case", PREVIEWS, ids=lambda case: case.name)
def test_a_preview_begins_with_the_story_and_keeps_text_back(case: Case) -> None:
    found = rendered(case.body, case.body_format)
    assert found.preview_html == case.preview
    assert found.cut_by == "automatic"


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        ("<p>Fire kills <strike>ten</strike> twelve.</p>", "<p>Fire kills <s>ten</s> twelve.</p>"),
        ("<p><del>ten</del> <s>nine</s></p>", "<p><del>ten</del> <s>nine</s></p>"),
        ("<s><p>ten</p></s>", "<del><p>ten</p></del>"),
        ("<p><span dir='rtl'>abc</span> <span>d</span></p>", '<p><bdi dir="rtl">abc</bdi> d</p>'),
        ("<p>So <math><mi>a</mi><mo>=</mo><mn>2</mn><annotation>a=2</annotation></math>.</p>",
         "<p>So a=2.</p>"),
        ("<details open><summary>More</summary>Text</details>",
         "<details><summary>More</summary>Text</details>"),
        ("<p>Press <button type='button'>here</button>.</p>", "<p>Press here.</p>"),
        ("<header>One</header><address>Two</address>", "<div>One</div><div>Two</div>"),
        ("<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>",) * 2,
        ('<p><bdo dir="rtl">abc</bdo></p>',) * 2,
        # A lazy picture, and what stands in for it.
        (("<img src='data:image/gif;base64,R0l' data-src='https://m.example/a.jpg' alt='A'>"
         "<noscript><img src='https://m.example/a.jpg' alt='A'></noscript>"),
         '<img src="https://m.example/a.jpg" alt="A">'),
        ("<noscript><img src='/a.jpg'></noscript>", '<img src="/a.jpg">'),
        ("<img data-lazy-src='/a.jpg'>", '<img src="/a.jpg">'),
        ("<img data-srcset='/a.jpg 300w, /b.jpg 900w'>", '<img src="/b.jpg">'),
        ("<picture><source srcset='/a.webp 2x, /b.webp 1x'><img src='data:,'></picture>",
         '<img src="/a.webp">'),
        # A player becomes a link.
        ("<iframe src='//v.example/1'></iframe>",
         '<p><a href="https://v.example/1" rel="noopener">https://v.example/1</a></p>'),
        ("<figure><video><source src='/a.mp4'></video><figcaption>A</figcaption></figure>",
         '<figure><a href="/a.mp4" rel="noopener">/a.mp4</a><figcaption>A</figcaption></figure>'),
        ("<iframe src='https://t.example/pixel' width='0'></iframe>", ""),
        # In-page links keep their places, which get names of ours.
        ("<p><a href='#method'>how</a></p><h2 id='method'>Method</h2>",
         '<p><a href="#text-1" rel="noopener">how</a></p><h2 id="text-1">Method</h2>'),
        ("<p><a href='#m'>how</a></p><p><span id='m'></span>x</p>",
         '<p><a href="#text-1" rel="noopener">how</a></p><p id="text-1">x</p>'),
        ("<p><a href='#m'>how</a></p><a name='m'></a><h2>x</h2>",
         '<p><a href="#text-1" rel="noopener">how</a></p><h2 id="text-1">x</h2>'),
        ("<p><a href='#%C3%A9'>how</a></p><p id='é'>x</p>",
         '<p><a href="#text-1" rel="noopener">how</a></p><p id="text-1">x</p>'),
        ("<p id='main'>x</p>", "<p>x</p>"),
        ("<p><a href='mailto:tips@paper.example'>write</a> <a href='tel:+351210000000'>call</a></p>",
         ('<p><a href="mailto:tips@paper.example" rel="noopener">write</a>'
         ' <a href="tel:+351210000000" rel="noopener">call</a></p>')),
    ],
)  # fmt: skip
def test_the_body_keeps(body: str, whole: str) -> None:
    assert rendered(body).body_html == whole


@pytest.mark.parametrize(
    "word",
    [
        "a/b/c/d/",
        "one—two—",
        "one&#8203;two&#8203;",
        "བོད་ཡིག་",
        "ｶﾀｶﾅ",
        "𠀀𠀁𠀂",
        "한국어문장",
        "a" * 40,
    ],
)
def test_a_text_without_spaces_is_many_words(word: str) -> None:
    found = rendered(f"<p>{word * 60}</p>")
    kept = len(found.preview_text) / len(found.body_html)
    assert 0.1 < kept < 0.62


def test_a_link_to_a_place_behind_the_cut_is_words_in_the_preview() -> None:
    found = rendered("<p>See <a href='#m'>how</a>.</p><!--more--><h2 id='m'>M</h2>")
    assert found.preview_html == "<p>See how.</p>"
    assert 'href="#text-1"' in found.body_html


@pytest.mark.parametrize(
    ("source", "whole"),
    [
        ("これは**「重要なこと」**です。", "<p>これは<strong>「重要なこと」</strong>です。</p>"),
        ("これは*重要（大切）*です。", "<p>これは<em>重要（大切）</em>です。</p>"),
        ("他说**“好。”**然后走了。", "<p>他说<strong>“好。”</strong>然后走了。</p>"),
        ("한국어**(강조)**입니다", "<p>한국어<strong>(강조)</strong>입니다</p>"),
        ("価格は~~「千円」~~です", "<p>価格は<s>「千円」</s>です</p>"),
        ("a * b * c and snake_case_name", "<p>a * b * c and snake_case_name</p>"),
        ("5*3*2 and a**(b)**c", "<p>5<em>3</em>2 and a**(b)**c</p>"),
    ],
)
def test_markdown_marks_emphasis_in_writing_without_spaces(source: str, whole: str) -> None:
    assert rendered(source, "markdown").body_html.strip() == whole


def test_markdown_has_notes_at_its_end() -> None:
    source = "One[^a] two[^1].\n\n[^1]: First.\n[^a]: *Second*.\n[^b]: Nobody’s.\n\nThree[^a] [^x]."
    found = rendered(source, "markdown")
    assert found.body_html.split("<hr>")[0] == (
        '<p>One<sup><a href="#text-4" id="text-1" rel="noopener">[1]</a></sup>'
        ' two<sup><a href="#text-5" id="text-2" rel="noopener">[2]</a></sup>.</p>\n'
        '<p>Three<sup><a href="#text-4" id="text-3" rel="noopener">[1]</a></sup> [^x].</p>\n'
    )
    notes = re.findall(r"<li(?: id=.text-(\d).)?><p>(.*?) ", found.body_html)
    assert notes == [("4", "<em>Second</em>."), ("5", "First."), ("", "Nobody’s.")]
    assert found.preview_text == "One two. Three [^x]."
    assert "<a" not in found.preview_html


@pytest.mark.parametrize("body_format", ["html", "markdown"])
@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: Wall\nembargo: 2026-12-24\neditor_note: lawyer must read\n---\n",
        "\ufeff\r\n---\r\ntitle: Wall\r\nlawyer: yes\r\n---\r\n",
        "---\n\ntags:\n  - lawyer\n- x\n# lawyer\nnote: >\n  lawyer\n...\n",
        '+++\ntitle = "Wall"\n[extra]\nnote = "lawyer"\n+++\n',
        '{\n  "title": "Wall",\n  "note": "lawyer"\n}\n',
    ],
)
def test_front_matter_is_never_public(front: str, body_format: BodyFormat) -> None:
    found = rendered(f"{front}\nOne two. Three four.\n\nFive.", body_format)
    assert "lawyer" not in found.body_html
    assert "Wall" not in found.body_html
    assert found.preview_text == "One two."


@pytest.mark.parametrize(
    "source",
    [
        "---\n\nA text between rules.\n\n---\n\nMore.",
        "---\nNote: this is text\nthat goes on here.\n---\nMore.",
        "---\ntitle: never closed\n\nMore.",
        "One.\n\n---\ntitle: x\n---\n",
        "{not json}\n\nMore.",
    ],
)
def test_text_between_rules_is_text(source: str) -> None:
    shown = rendered(source, "markdown").body_html
    assert [word for word in source.split() if word.isalpha() and word not in shown] == []


def test_captions_come_in_no_description() -> None:
    found = rendered(
        "<figure><img src='/a'><figcaption>Photo of a pier</figcaption></figure>"
        "<p>One two three.</p><!--more--><p>Four.</p>"
    )
    assert found.preview_text == "One two three."
    assert found.search_text == "Photo of a pier One two three."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p>Fire kills <strike>ten</strike> twelve.</p>", "Fire kills twelve."),
        ("<p>Fire <del>kills <b>ten</b></del> <s>one</s>starts.</p>", "Fire starts."),
        ("<p>A wall<sup><a href='#n'>1</a></sup> of 2 m<sup>2</sup>.</p>", "A wall of 2 m2."),
        ("<p>Figures.</p><table><tr><td>1</td></tr></table><pre>x</pre>", "Figures."),
    ],
)
def test_a_description_says_what_the_text_says(body: str, said: str) -> None:
    assert rendered(f"{body}<!--more--><p>Rest.</p>").preview_text == said


def test_a_divided_text_is_said_without_what_is_struck_out() -> None:
    found = rendered("<p>One <s>two</s> three <s>four.</s> Five. Six seven. Eight nine ten.</p>")
    assert found.preview_text == "One three Five."
    assert found.search_text == "One two three four. Five."


def test_an_article_of_one_player_is_not_empty() -> None:
    found = rendered('<iframe src="https://v.example/1"></iframe>')
    assert not found.cut_is_whole
    assert found.preview_html == ""
    assert "https://v.example/1" in found.body_html
