from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from service.content.importers.article import ImportedArticle, Mended
from service.content.importers.wordpress import ExportUnreadable, read_exports
from service.texts import is_slug
from tests.content.importers.exports import (
    OPTIONS,
    article,
    articles,
    attachment,
    channel,
    item,
    meta,
    results,
    skipped,
)


def test_a_plain_post_becomes_an_article() -> None:
    assert article(
        {"excerpt:encoded": "<![CDATA[<p>In <em>short</em></p> &amp; sweet]]>"},
        extra='<category domain="category" nicename="world"><![CDATA[World]]></category>'
        '<category domain="post_tag" nicename="a"><![CDATA[Arts &amp; Crafts]]></category>',
    ) == ImportedArticle(
        slug="a-headline",
        title="A headline",
        standfirst="In short & sweet",
        body="<p>Some text.</p>",
        body_format="html",
        authors=("Jo Doe",),
        section="World",
        tags=("Arts & Crafts",),
        canonical_url="https://paper.example/2024/03/a-headline/",
        image_url=None,
        image_alt=None,
        language="en-GB",
        published_at=datetime(2024, 3, 1, 8, 30, tzinfo=UTC),
        source_ids={"wordpress": "7", "wordpress_guid": "https://paper.example/?p=7"},
    )


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_every_version_of_the_format_is_read(version: str) -> None:
    assert article(version=version).title == "A headline"


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"wp:status": "draft"}, "draft", "draft"),
        ({"wp:status": "auto-draft"}, "draft", "draft"),
        ({"wp:status": "pending"}, "pending", "review"),
        ({"wp:status": "private"}, "private", "private"),
        ({"wp:status": "future"}, "scheduled", "scheduled"),
        ({"wp:status": "trash"}, "trashed", "trash"),
        ({"wp:status": "inherit"}, "revision", "revision"),
        ({"wp:status": "pitch"}, "unknown-status", "“pitch”"),
        ({"wp:post_date_gmt": "2026-11-24 12:00:01"}, "scheduled", "future (2026-11-24 12:00 UTC)"),
        ({"wp:post_password": "enter"}, "password-protected", "password"),
        ({"wp:post_type": "page"}, "page", "a page"),
        ({"wp:post_type": "attachment", "wp:status": "inherit"}, "attachment", "media library"),
        ({"wp:post_type": "nav_menu_item"}, "nav_menu_item", "navigation"),
        ({"wp:post_type": "revision", "wp:status": "inherit"}, "revision", "revision"),
        ({"wp:post_type": "product"}, "unknown-type", "“product”"),
        ({"wp:post_type": ""}, "unknown-type", "untyped"),
        ({"content:encoded": ""}, "empty", "no text"),
        (
            {"content:encoded": "<![CDATA[<p>&nbsp;</p>\n[gallery]<!--more-->]]>"},
            "empty",
            "no text",
        ),
        ({"wp:post_date_gmt": "", "wp:post_date": "", "pubDate": ""}, "undated", "date"),
    ],
)
def test_what_is_not_published_is_skipped_with_its_reason(
    changes: dict[str, str], kind: str, words: str
) -> None:
    (only,) = skipped(item(changes))
    assert (only.kind, only.title, only.source_id) == (kind, "A headline", "7")
    assert words in only.reason
    assert only.reason.endswith(".")


def test_every_item_comes_out_once_and_in_order() -> None:
    names = ["b", "a", "page", "c"]
    items = "".join(
        item(
            {
                "title": name,
                "wp:post_id": name,
                "wp:post_type": "page" if name == "page" else "post",
            }
        )
        for name in names
    )
    assert [result.title for result in results(items) if not isinstance(result, Mended)] == names


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("<![CDATA[Markup <em>in</em> the Mark<sup>up</sup>]]>", "Markup in the Markup"),
        ("Ben &amp;amp; Jerry&amp;#8217;s &amp;quot;day&amp;quot;", 'Ben & Jerry’s "day"'),
        ("<![CDATA[5 < 6 and 7 > 3, I <3 you]]>", "5 < 6 and 7 > 3, I <3 you"),
        ("<![CDATA[AT&T &lt;em&gt;]]>", "AT&T <em>"),
        ("περιεχόμενο — 東京", "περιεχόμενο — 東京"),
        ("  two\n lines ", "two lines"),
        ("<![CDATA[soft&shy;ly&nbsp;said]]>", "softly said"),
        ("x" * 400, "x" * 400),
        ("", "Some text."),
        ("<![CDATA[<b></b>]]>", "Some text."),
    ],
)
def test_titles_become_plain_text(title: str, plain: str) -> None:
    assert article({"title": title}).title == plain


def test_an_untitled_post_is_named_after_its_first_words_or_its_day() -> None:
    words = {"title": "", "content:encoded": "One two three, four five six seven eight, nine."}
    picture = {"title": "", "content:encoded": '<![CDATA[<img src="a.jpg">]]>'}
    assert article(words).title == "One two three, four five six seven eight…"
    assert article(picture).title == "Untitled, 2024-03-01"


@pytest.mark.parametrize(
    ("changes", "moment"),
    [
        ({}, datetime(2024, 3, 1, 8, 30, tzinfo=UTC)),
        (
            {
                "wp:post_date_gmt": "0000-00-00 00:00:00",
                "pubDate": "Sat, 02 Mar 2024 10:00:00 +0200",
            },
            datetime(2024, 3, 2, 8, 0, tzinfo=UTC),
        ),
        (
            {
                "wp:post_date_gmt": "0000-00-00 00:00:00",
                "pubDate": "Mon, 30 Nov -0001 00:00:00 +0000",
                "wp:post_date": "2019-05-06 07:08:09",
            },
            datetime(2019, 5, 6, 6, 8, 9, tzinfo=UTC),
        ),
        ({"wp:post_date_gmt": "1912-04-15 05:00:00"}, datetime(1912, 4, 15, 5, 0, tzinfo=UTC)),
    ],
)
def test_the_date_is_taken_from_where_it_is_known(
    changes: dict[str, str], moment: datetime
) -> None:
    assert article(changes).published_at == moment


@pytest.mark.parametrize(
    ("post_name", "title", "slug"),
    [
        ("plain-name", "Title", "plain-name"),
        ("caf%C3%A9-cr%C3%A8me", "Title", "cafe-creme"),
        ("stra%c3%9fe_und-%c3%98l", "Title", "strasse-und-ol"),
        ("%e6%9d%b1%e4%ba%ac", "Tokyo at night", "tokyo-at-night"),
        ("%e6%9d%b1%e4%ba%ac", "東京", "article-7"),
        ("", "Ben &amp;amp; Jerry’s déjà vu!", "ben-jerrys-deja-vu"),
        ("-odd--name-", "Title", "odd-name"),
        ("UPPER", "Title", "upper"),
        ("", "word " * 60, "-".join(["word"] * 24)),
        ("", "y" * 200, "y" * 120),
    ],
)
def test_slugs(post_name: str, title: str, slug: str) -> None:
    made = article({"wp:post_name": post_name, "title": title})
    assert made.slug == slug
    assert is_slug(made.slug)
    assert made.source_ids.get("wordpress_slug", slug) == (post_name or slug)


def test_slugs_are_unique_and_real_names_go_before_made_up_ones() -> None:
    made = articles(
        item({"wp:post_name": "", "title": "Hello", "wp:post_id": "1"})
        + item({"wp:post_name": "hello", "wp:post_id": "2"})
        + item({"wp:post_name": "hello", "wp:post_id": "3"})
        + item({"wp:post_name": "hello", "wp:post_id": ""})
        + item({"wp:post_name": "hello", "wp:post_id": ""})
        + item({"wp:post_name": "y" * 300, "wp:post_id": "4"})
        + item({"wp:post_name": "y" * 300, "wp:post_id": "5" * 300})
    )
    slugs = [each.slug for each in made]
    assert slugs[:5] == ["hello-1", "hello", "hello-3", "hello-2", "hello-4"]
    assert slugs[5:] == ["y" * 120, "y" * 99 + "-" + "5" * 20]


def test_the_first_category_is_the_section_and_the_others_are_tags() -> None:
    terms = (
        '<category domain="category" nicename="uncategorized">Uncategorized</category>'
        '<category domain="post_tag" nicename="rain"><![CDATA[Rain]]></category>'
        '<category domain="category" nicename="news"><![CDATA[News &amp; Views]]></category>'
        '<category domain="category" nicename="city">City</category>'
        '<category domain="post_tag" nicename="rain-2">rain</category>'
        '<category domain="post_format" nicename="post-format-aside">Aside</category>'
        '<category domain="post_tag" nicename="only-a-nicename"></category>'
    )
    made = article(extra=terms)
    assert made.section == "News & Views"
    assert made.tags == ("Rain", "only-a-nicename", "City")


def test_terms_of_the_oldest_exports_are_read_once() -> None:
    terms = (
        '<category>News</category><category domain="category" nicename="news">News</category>'
        '<category domain="tag">Rain</category><category domain="tag" nicename="rain">Rain</category>'
    )
    made = article(extra=terms, version="1.0")
    assert (made.section, made.tags) == ("News", ("Rain",))


def test_a_post_without_categories_has_no_section() -> None:
    assert article().section is None


def _coauthor(login: str) -> str:
    return f'<category domain="author" nicename="cap-{login}">{login}</category>'


@pytest.mark.parametrize(
    ("creator", "extra", "authors"),
    [
        ("jd", "", ("Jo Doe",)),
        ("gone", "", ("gone",)),
        ("<![CDATA[>jd]]>", "", ("Jo Doe",)),
        ("", "", ()),
        (
            "jd",
            _coauthor("guest") + _coauthor("jd"),
            ("Gina Guest", "Jo Doe"),
        ),
    ],
)
def test_authors_have_their_display_names(
    creator: str, extra: str, authors: tuple[str, ...]
) -> None:
    guest = item(
        {"title": "Gina", "wp:post_type": "guest-author"},
        extra=meta("cap-user_login", "guest") + meta("cap-display_name", "Gina Guest"),
    )
    (made,) = articles(item({"dc:creator": creator}, extra=extra) + guest)
    assert made.authors == authors


def test_the_featured_image_may_stand_behind_its_post() -> None:
    with_image = item(extra=meta("_thumbnail_id", "9"))
    lost = item({"wp:post_name": "lost", "wp:post_id": "8"}, extra=meta("_thumbnail_id", "404"))
    made, other = articles(with_image + lost + attachment(9, "rain.jpg", alt="Rain &amp; wind"))
    assert (made.image_url, made.image_alt) == (
        "https://paper.example/files/rain.jpg",
        "Rain & wind",
    )
    assert (other.image_url, other.image_alt) == (None, None)


@pytest.mark.parametrize(
    ("written", "language"),
    [("en-US", "en-US"), ("de_AT", "de-AT"), ("", None), ("not a language", None)],
)
def test_the_language_is_the_sites(written: str, language: str | None) -> None:
    assert article(language=written).language == language


@pytest.mark.parametrize("link", ["", "/2024/a/", "javascript:alert(1)"])
def test_only_a_web_address_is_a_canonical_url(link: str) -> None:
    assert article({"link": link}).canonical_url is None


def test_progress_counts_both_passes_up_to_the_total() -> None:
    data = channel(item() * 500)
    steps: list[tuple[int, int]] = []
    list(read_exports([BytesIO(data)], OPTIONS, progress=lambda *step: steps.append(step)))
    assert steps == sorted(steps)
    assert steps[-1] == (2 * len(data), 2 * len(data))
    assert len(steps) > 10


def test_a_path_is_read_and_a_stream_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    path.write_bytes(channel(item()))
    assert len(list(read_exports([path], OPTIONS))) == 1
    stream = BytesIO(channel(item()))
    stream.seek(100)
    assert len(list(read_exports([stream], OPTIONS))) == 1
    assert not stream.closed


def test_a_stream_that_cannot_be_read_twice_is_refused() -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(ExportUnreadable, match="Save it to a file"):
        list(read_exports([Pipe(channel(item()))], OPTIONS))


def test_a_reusable_block_is_put_in() -> None:
    content = '<![CDATA[<!-- wp:block {"ref":31} /-->\n<!-- wp:block {"ref":404} /-->]]>'
    block = item(
        {
            "wp:post_id": "31",
            "wp:post_type": "wp_block",
            "content:encoded": "<![CDATA[<!-- wp:paragraph --><p>Help us.</p>"
            "<!-- /wp:paragraph -->]]>",
        }
    )
    (made,) = articles(item({"content:encoded": content}) + block)
    assert made.body == "<p>Help us.</p>"
