"""Text behind the walls of WordPress's membership plugins is public nowhere; its level comes along."""

import pytest

from service.content.cut import render
from service.content.import_articles import import_articles
from service.content.import_ready import as_sent
from service.content.import_summary import Entry
from service.content.level import said_level
from service.content.preview_limits import limits_of
from service.content.publish import prepare
from service.content.store import get_article
from service.db.session import Database
from service.rules.in_force import InForce
from service.settings import Settings
from tests.content.importers.exports import article, articles, import_run, item
from tests.content.importers.walls import OPEN, PAID, WALLS, imported
from tests.databases import on_sqlite


@on_sqlite
@pytest.mark.parametrize("case", WALLS)
def test_text_behind_a_wall_is_public_nowhere(case: str, settings: Settings) -> None:
    content, extra, (level, plans) = WALLS[case]
    made = imported(content, extra)
    if plans is not None:
        assert (made.level, made.plans) == (level, plans)
    prepared = prepare(made.slug, as_sent(made), InForce.by_default(settings))
    assert said_level(prepared.level_facts, InForce.by_default(settings).rules.levels) == level
    rendered = prepared.rendered
    public = " ".join((made.title, made.standfirst, rendered.preview_html, rendered.search_text))
    assert "paid" not in public, rendered.preview_html
    assert "paid two" in rendered.body_html.replace("<p>", "")
    if case != "at the beginning":
        assert "open one" in rendered.preview_html
    assert not {"[", "wp:"} & {part for part in ("[", "wp:") if part in rendered.body_html}


@pytest.mark.parametrize(
    "reference",
    [
        '{"ref":31} /',
        '{"ref":"31"} /',
        '{"ref":31,"metadata":{"name":"Wall"}} /',
        '{"ref":31,"content":{"Words":{"content":"Join"}}} /',
        '{"ref":31} --><!-- /wp:block ',
    ],
)
def test_a_wall_in_a_reusable_block_closes_the_article(reference: str) -> None:
    reusable = {
        "wp:post_id": "31",
        "wp:post_type": "wp_block",
        "content:encoded": "<![CDATA[<!-- wp:jetpack/paywall /-->]]>",
    }
    content = f"<![CDATA[{OPEN}<!-- wp:block {reference}-->{PAID}]]>"
    (made,) = articles(item({"content:encoded": content}) + item(reusable))
    assert made.level == "subscribers"
    assert made.body.index("<!--wall:subscribers-->") < made.body.index("paid two")
    assert [note.kind for note in made.notes] == ["block-words"] * ("content" in reference)


@on_sqlite
@pytest.mark.parametrize(
    "sign",
    [
        '<div class="paywall"></div>',
        "<p><members-only></members-only></p>",
        '<ul><li data-visibility="paid"></li></ul>',
        '<span class="premium-content"> </span>',
    ],
)
def test_a_sign_without_words_closes_what_follows(sign: str, settings: Settings) -> None:
    made = imported(f"open one\n\n{sign}\n\npaid two\n\nlater")
    prepared = prepare(made.slug, as_sent(made), InForce.by_default(settings))
    assert prepared.rendered.wall_level == "subscribers"
    assert "paid" not in prepared.rendered.search_text


@on_sqlite
@pytest.mark.parametrize("block", ["<ul><li>{}</li></ul>", "<table><tr><td>{}</td></tr></table>"])
def test_an_authors_mark_for_members_holds_amid_a_block(block: str, settings: Settings) -> None:
    made = imported(block.format("open <!--Members-Only-->paid") + "<p>later</p>")
    rendered = render(made.body, "html", limits_of(settings))
    assert (rendered.cut_by, rendered.search_text) == ("mark", "open")


@pytest.mark.parametrize("name", ["alt", "title"])
def test_a_wall_in_an_attribute_ends_it(name: str) -> None:
    made = imported(f'open <img src="/a.jpg" {name}="Harbour [is_paid]paid[/is_paid]"> [sic]')
    assert f'{name}="Harbour"' in made.body
    kept = imported(f'open <img src="/a.jpg" {name}="the [member] for Harbour [sic]">')
    assert f'{name}="the [member] for Harbour [sic]"' in kept.body


@pytest.mark.parametrize("case", [name for name in WALLS if "unknown" in name or "broken" in name])
def test_what_only_looks_like_a_wall_is_named(case: str) -> None:
    content, extra, _ = WALLS[case]
    assert "unknown-wall" in {note.kind for note in imported(content, extra).notes}


@on_sqlite
@pytest.mark.parametrize(
    "content",
    [
        '<p>open one</p><div class="members-only"><p>paid two</p></div>',
        '<p>open one</p><div data-visibility="premium"><p>paid two</p></div>',
        "<p>open one</p><!-- members only --><p>paid two</p>",
        "<p>open one</p><!-- acme-paywall --><p>paid two</p>",
    ],
)
async def test_a_wall_in_the_html_alone_is_named_too(
    content: str, database: Database, settings: Settings
) -> None:
    recorded: list[Entry] = []
    run = import_run(settings, record=recorded.append)
    await import_articles(database, [imported(content)], run)
    (entry,) = recorded
    assert (entry.outcome, entry.level) == ("created", "subscribers")
    assert "html-wall" in {note.kind for note in entry.notes}
    assert entry.slug is not None
    async with database.reading() as session:
        stored = await get_article(session, entry.slug)
    assert stored is not None
    assert "paid" not in stored.preview_html
    assert "paid two" in stored.body_html


SIGNS = [
    "[is_paid]paid[/is_paid]",
    "<!-- wp:jetpack/paywall /-->paid",
    "<!--More-->paid",
    "<!--members-only-->paid",
    "<!--kg-gated-block:begin nonMember:false-->paid",
    "<paywall>paid</paywall>",
    "<div class='members-only'>paid</div>",
    "<div data-access=members>paid</div>",
    "<pre class='paywall'>paid</pre>",
    "<div data-paywall>paid</div>",
    "<pre><!-- paywall -->paid</pre>",
    "<pre><div class='paywall'>paid</div></pre>",
    "<textarea><!--members-only-->paid</textarea>",
    "<noscript><!--members-only--></noscript>paid",
    "<template><!-- paywall --></template>paid",
    "<select><option><!--members-only--></select>paid",
    "<math><mi>x</mi><!-- paywall --></math>paid",
    "<x:paywall>paid</x:paywall>",
    "<br class='paywall'>paid",
]


@pytest.mark.parametrize("sign", SIGNS)
def test_no_title_or_standfirst_is_made_of_what_a_wall_closes(sign: str) -> None:
    made = article(
        {
            "title": "",
            "content:encoded": f"<![CDATA[<p>open</p>{sign}]]>",
            "excerpt:encoded": f"<![CDATA[open {sign}]]>",
        }
    )
    assert (made.title, made.standfirst) == ("open", "open")


def test_an_excerpt_ends_at_a_mark_in_its_code() -> None:
    """It is one line of words, in which code is told apart from nothing."""
    excerpt = "<![CDATA[open <pre><!--members-only-->paid</pre> paid]]>"
    assert article({"excerpt:encoded": excerpt}).standfirst == "open"
