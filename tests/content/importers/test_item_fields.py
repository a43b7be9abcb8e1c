"""What an item's fields become: dates, people, terms, languages, pictures and addresses."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.content.importers.article import Imported, ImportedArticle, Skipped
from service.content.importers.fields import fitted
from tests.content.importers.exports import (
    OPTIONS,
    article,
    articles,
    attachment,
    channel,
    item,
    meta,
    read,
    results,
)

BASE = "<link>https://paper.example</link><wp:base_blog_url>https://paper.example/blog</wp:base_blog_url>"


def kinds(made: ImportedArticle) -> list[str]:
    return [note.kind for note in made.notes]


@pytest.mark.parametrize(
    ("changes", "moment", "notes"),
    [
        ({"wp:post_date_gmt": "2024-03-05T09:00:00"}, datetime(2024, 3, 5, 9, tzinfo=UTC), []),
        ({"wp:post_date_gmt": "2024-03-05T09:00:00Z"}, datetime(2024, 3, 5, 9, tzinfo=UTC), []),
        (
            {"wp:post_date_gmt": "2024-03-05T09:00:00+02:00"},
            datetime(2024, 3, 5, 7, tzinfo=UTC),
            [],
        ),
        ({"wp:post_date_gmt": "2024-03-05 09:00"}, datetime(2024, 3, 5, 9, tzinfo=UTC), []),
        (
            # Lisbon is one hour ahead in July, and not in January.
            {"wp:post_date_gmt": "", "pubDate": "", "wp:post_date": "2024-07-05 09:00:00"},
            datetime(2024, 7, 5, 8, tzinfo=UTC),
            ["local-date"],
        ),
        (
            {"wp:post_date_gmt": "", "pubDate": "", "wp:post_date": "2024-01-05T09:00:00"},
            datetime(2024, 1, 5, 9, tzinfo=UTC),
            ["local-date"],
        ),
        (
            {
                "wp:post_date_gmt": "soon",
                "pubDate": "?",
                "wp:post_date": "0000-00-00 00:00:00",
                "wp:post_modified_gmt": "2020-02-02 02:02:02",
            },
            datetime(2020, 2, 2, 2, 2, 2, tzinfo=UTC),
            [],
        ),
    ],
)
def test_dates_are_read_in_any_form(
    changes: dict[str, str], moment: datetime, notes: list[str]
) -> None:
    made = article(changes)
    assert (made.published_at, kinds(made)) == (moment, notes)


@pytest.mark.parametrize(
    ("changes", "moment"),
    [
        ({}, None),
        ({"wp:post_modified_gmt": "2024-05-01 10:00:00"}, datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ({"wp:post_modified": "2024-07-01 10:00:00"}, datetime(2024, 7, 1, 9, tzinfo=UTC)),
        ({"wp:post_modified_gmt": "2014-05-01 10:00:00"}, None),  # before it was published
        ({"wp:post_modified_gmt": "2034-05-01 10:00:00"}, None),  # still to come
    ],
)
def test_the_date_of_the_last_change_comes_along(
    changes: dict[str, str], moment: datetime | None
) -> None:
    assert article(changes).updated_at == moment


def author(login: str, name: str, first: str = "", last: str = "") -> str:
    return (
        f"<wp:author><wp:author_login>{login}</wp:author_login><wp:author_display_name>{name}"
        f"</wp:author_display_name><wp:author_first_name>{first}</wp:author_first_name>"
        f"<wp:author_last_name>{last}</wp:author_last_name></wp:author>"
    )


PEOPLE = (
    author("ana.costa", "Ana Costa")
    + author("b@mail.example", "b@mail.example", "Bo", "Ek")
    + author("c@mail.example", "c@mail.example")
)


def term(nicename: str, name: str) -> str:
    return f'<category domain="author" nicename="{nicename}"><![CDATA[{name}]]></category>'


@pytest.mark.parametrize(
    ("creator", "terms", "byline", "notes"),
    [
        ("ana.costa", "", ("Ana Costa",), []),
        ("b@mail.example", "", ("Bo Ek",), []),
        ("c@mail.example", "", (), ["no-byline"]),
        ("d@mail.example", "", (), ["no-byline"]),
        ("jd", term("cap-ana-costa", "ana.costa"), ("Ana Costa",), []),
        ("jd", term("cap-ana-costa", ""), ("Ana Costa",), []),
        ("jd", term("cap-guest", "guest") + term("cap-b-ek", "b@mail.example"),
         ("Gina Guest", "Bo Ek"), []),
        ("jd", term("li-na", "Li Na"), ("Li Na",), []),
        ("jd", term("cap-x", "x@mail.example"), (), ["no-byline"]),
    ],
)  # fmt: skip
def test_bylines_are_display_names_and_never_an_address(
    creator: str, terms: str, byline: tuple[str, ...], notes: list[str]
) -> None:
    guest = item(
        {"title": "Gina Guest", "wp:post_id": "80", "wp:post_type": "guest-author"},
        extra=meta("cap-user_login", "guest"),
    )
    (made,) = articles(item({"dc:creator": creator}, extra=terms) + guest, head=PEOPLE)
    assert (made.authors, kinds(made)) == (byline, notes)


def category(nicename: str, name: str) -> str:
    return f'<category domain="category" nicename="{nicename}"><![CDATA[{name}]]></category>'


CATEGORIES = (
    "<wp:category><wp:term_id>12</wp:term_id><wp:category_nicename>politics</wp:category_nicename>"
    "</wp:category><wp:term><wp:term_id>13</wp:term_id><wp:term_taxonomy>category"
    "</wp:term_taxonomy><wp:term_slug>sport</wp:term_slug></wp:term>"
)


@pytest.mark.parametrize(
    ("extra", "section"),
    [
        ("", "Analysis"),
        (meta("_yoast_wpseo_primary_category", "12"), "Politics"),
        (meta("rank_math_primary_category", "13"), "Sport"),
        (meta("_yoast_wpseo_primary_category", "99"), "Analysis"),
    ],
)
def test_the_primary_category_is_the_section(extra: str, section: str) -> None:
    named = [("analysis", "Analysis"), ("politics", "Politics"), ("sport", "Sport")]
    terms = "".join(category(*pair) for pair in named)
    (made,) = articles(item(extra=terms + extra), head=CATEGORIES)
    assert made.section == section
    assert set(made.tags) == {name for _, name in named} - {section}


@pytest.mark.parametrize(
    ("extra", "language"),
    [
        ("", "en-GB"),
        ('<category domain="language" nicename="ar"><![CDATA[العربية]]></category>', "ar"),
        ('<category domain="language" nicename="pt-br">Português</category>', "pt-br"),
        ('<category domain="language" nicename="en">English</category>', "en-GB"),
        (meta("_wpml_import_language_code", "fr"), "fr"),
        (meta("_locale", "de_AT"), "de-AT"),
        (meta("_locale", "no language"), "en-GB"),
    ],
)
def test_a_post_may_have_its_own_language(extra: str, language: str) -> None:
    assert article(extra=extra).language == language


@pytest.mark.parametrize(
    "marks",
    [
        ("[:en]", "[:pt]", "[:]"),
        ("<!--:en-->", "<!--:--><!--:pt-->", "<!--:-->"),
        ("{:en}", "{:}{:pt}", "{:}"),
    ],
)
@pytest.mark.parametrize(
    ("site", "word"), [("en-GB", "Harbour"), ("pt", "Porto"), ("fr", "Harbour")]
)
def test_of_two_languages_one_is_taken_and_told(
    marks: tuple[str, str, str], site: str, word: str
) -> None:
    text = "<![CDATA[{}Harbour{}Porto{}]]>".format(*marks)
    made = article({"title": text, "content:encoded": text, "excerpt:encoded": text}, language=site)
    assert (made.title, made.standfirst, made.body) == (word, word, f"<p>{word}</p>")
    assert set(kinds(made)) == {"language"}


@pytest.mark.parametrize(
    ("excerpt", "standfirst"),
    [
        ('[caption id="a" width="300"]Cap[/caption] The mayor left. [&hellip;]', "The mayor left."),
        ("He [the mayor] left […]", "He [the mayor] left"),
        ('[su_spacer size="3"]Left.[gallery ids="1"]', "Left."),
        ("<!-- wp:paragraph --><p>Left.</p><!-- /wp:paragraph -->", "Left."),
        ('Open. [membership level="1"]Paid.[/membership]', "Open."),
        ("Open. <!-- wp:jetpack/paywall /--> Paid.", "Open."),
    ],
)
def test_an_excerpt_is_words_only(excerpt: str, standfirst: str) -> None:
    assert article({"excerpt:encoded": f"<![CDATA[{excerpt}]]>"}).standfirst == standfirst


def test_a_made_up_title_has_nothing_from_behind_the_wall() -> None:
    content = '<![CDATA[[membership level="1"]Paid.[/membership]]]>'
    made = article({"title": "", "content:encoded": content})
    assert made.title == "Untitled, 2024-03-01"
    assert "made-up-title" in kinds(made)


def test_html_that_was_not_escaped_is_read_all_the_same() -> None:
    made = article(
        {
            "title": "The <em>big</em> story &amp; more",
            "content:encoded": '<p xmlns="http://www.w3.org/1999/xhtml">One &lt; two<br/>or</p> three',
        }
    )
    assert made.title == "The big story & more"
    assert made.body.replace("\n", "") == "<p>One &lt; two<br>or</p><p>three</p>"


def test_relative_addresses_are_made_absolute() -> None:
    content = (
        '<![CDATA[<img src="/files/a.jpg"> <a href="/about/">a</a> <a href="../b">b</a> '
        '<a href="#n">n</a> <a href="mailto:a@b.example">m</a> <img src="//cdn.example/c.jpg"> '
        '<iframe src="/chart/1"></iframe> [video mp4="/d.mp4"]]]>'
    )
    (made,) = articles(item({"content:encoded": content, "link": "/2024/x/"}), head=BASE)
    for address in (
        'src="https://paper.example/files/a.jpg"',
        'href="https://paper.example/about/"',
        'href="https://paper.example/2024/b"',
        'href="#n"',
        'href="mailto:a@b.example"',
        'src="https://cdn.example/c.jpg"',
        'href="https://paper.example/chart/1"',
        'href="https://paper.example/d.mp4"',
    ):
        assert address in made.body
    assert made.canonical_url == "https://paper.example/2024/x/"


def test_several_files_are_one_export() -> None:
    content = {"content:encoded": '<![CDATA[One.\n\n[gallery ids="50"]]]>'}
    posts = channel(item(content, extra=meta("_thumbnail_id", "50")), head=BASE)
    media = channel(attachment(50, "a.jpg"), head=BASE)
    other_site = channel(attachment(50, "z.jpg"), head=BASE.replace("/blog", "/other"))
    for files in ([posts, media], [media, posts], [other_site, posts, media]):
        (made,) = [each for each in read(*files) if isinstance(each, ImportedArticle)]
        assert made.image_url == "https://paper.example/files/a.jpg"
        assert "files/a.jpg" in made.body
        assert kinds(made) == []
    (alone,) = [each for each in read(posts) if isinstance(each, ImportedArticle)]
    assert alone.image_url is None
    assert kinds(alone) == ["missing-media", "missing-media"]


def test_a_post_that_comes_twice_is_imported_once_as_it_was_last() -> None:
    old = item({"title": "Old", "wp:post_modified_gmt": "2024-04-01 00:00:00"})
    new = item({"title": "New", "wp:post_modified_gmt": "2024-05-01 00:00:00"})
    for files in ([channel(old), channel(new)], [channel(new), channel(old)], [channel(old + new)]):
        found = read(*files)
        assert [each.title for each in found if isinstance(each, ImportedArticle)] == ["New"]
        assert [each.kind for each in found if isinstance(each, Skipped)] == ["repeated"]


def test_a_guid_that_several_posts_share_tells_them_not_apart() -> None:
    shared = {"guid": "https://paper.example/?p=1"}
    found = articles(
        item({**shared, "wp:post_id": "1"}) + item({**shared, "wp:post_id": "2"}), head=BASE
    )
    assert [each.source_ids for each in found] == [
        {"wordpress": number, "wordpress_site": "https://paper.example/blog", **slug}
        for number, slug in (("1", {}), ("2", {"wordpress_slug": "a-headline"}))
    ]


def test_other_types_are_imported_on_demand() -> None:
    items = channel(
        item({"wp:post_type": "column"}) + item({"wp:post_type": "page", "wp:post_id": "8"})
    )
    refused = [each for each in read(items) if isinstance(each, Skipped)]
    assert [each.kind for each in refused] == ["unknown-type", "page"]
    assert "--type column" in refused[0].reason
    found = read(items, options=replace(OPTIONS, types=("post", "column", "page")))
    assert all(isinstance(each, ImportedArticle) for each in found)


def test_names_without_latin_letters_have_slugs_of_their_own() -> None:
    def posts(numbers: list[int]) -> list[Imported]:
        names = {10: "2024-%d8%a7%d9%86%d8%aa", 11: "2024-%d8%a7%d9%82%d8%aa"}
        return results(
            "".join(item({"wp:post_id": str(n), "wp:post_name": names[n]}) for n in numbers)
        )

    slugs = [each.slug for each in posts([10, 11]) if isinstance(each, ImportedArticle)]
    assert slugs == ["2024-10", "2024-11"]
    assert [each.slug for each in posts([11]) if isinstance(each, ImportedArticle)] == ["2024-11"]


@pytest.mark.parametrize(
    ("address", "stored", "kind"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z", None),
        ("https://a.example/My Photo.jpg", "https://a.example/My%20Photo.jpg", "encoded"),
        ("https://a.example/é%20", "https://a.example/%C3%A9%20", "encoded"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", "encoded"),
        ("https://a.example/a\\b", "https://a.example/a%5Cb", "encoded"),
        ("https://me:secret@a.example/", None, "left-out"),
        ("ftp://a.example/", None, "left-out"),
        ("https://[a.example/", None, "left-out"),
        ("https://a.example/" + "a" * 2000, None, "left-out"),
    ],
)
def test_addresses_are_encoded_or_left_out(
    address: str, stored: str | None, kind: str | None
) -> None:
    made = fitted(replace(article(), canonical_url=address))
    assert made.canonical_url == stored
    assert [note.kind for note in made.notes] == ([kind] if kind else [])
