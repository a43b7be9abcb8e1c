from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.content.addresses import present_slug
from service.content.import_articles import BATCH, import_articles
from service.content.import_ready import as_sent
from service.content.import_summary import Entry, ImportSummary
from service.content.importers.article import Imported, ImportedArticle, Skipped
from service.content.publish import withdraw_article
from service.content.schemas import ArticleIn
from service.content.store import get_article, get_row
from service.db.session import Database
from service.db.tables import Article
from service.settings import Settings
from tests.conftest import START
from tests.content.importers.exports import import_run
from tests.content.publishing import put_article
from tests.databases import on_sqlite
from tests.reports import rows


def post(number: int, **fields: Any) -> ImportedArticle:
    usual: dict[str, Any] = {
        "slug": f"post-{number}",
        "title": f"Post {number}",
        "standfirst": "",
        "body": "<p>One</p><!--more--><p>Two</p>",
        "body_format": "html",
        "authors": ("Maren Tolliver",),
        "section": "News",
        "tags": ("sea",),
        "canonical_url": None,
        "image_url": "https://a.example/a.jpg",
        "image_alt": None,
        "language": "en",
        "published_at": START - timedelta(days=number),
        "source_ids": {
            "wordpress": str(number),
            "wordpress_guid": f"https://a.example/?p={number}",
        },
    }
    return ImportedArticle(**{**usual, **fields})


async def run(
    database: Database, settings: Settings, *items: Imported, **changes: Any
) -> ImportSummary:
    return await import_articles(database, items, import_run(settings, START, **changes))


def figures(summary: ImportSummary) -> tuple[int, int, int, list[str]]:
    counts = summary.outcomes
    kinds = sorted(summary.skipped.counts.elements())
    return (counts["created"], counts["updated"], counts["unchanged"], kinds)


async def stored(database: Database) -> set[str]:
    async with database.reading() as session:
        return set(await session.scalars(select(Article.slug)))


async def test_a_plan_that_nothing_sells_is_noted(database: Database, settings: Settings) -> None:
    sold = rows.offer(plan="digital")
    async with database.transaction() as session:
        session.add(sold)
    items = [post(1, level="subscribers", plans=("digital", "prnit")), post(2)]
    for dry_run in (True, False):
        told = await run(database, settings, *items, dry_run=dry_run)
        (note,) = [each for each in told.notes.groups() if each[0] == "unsold-plan"]
        assert [words for _, words in note[2]] == ["No offer sells its plan prnit yet."]


async def test_an_import_can_be_repeated(database: Database, settings: Settings) -> None:
    draft = Skipped(title="Draft", source_id="9", reason="It is a draft.", kind="draft")
    assert figures(await run(database, settings, post(1), draft, post(2))) == (2, 0, 0, ["draft"])
    async with database.reading() as session:
        first = await get_article(session, "post-1")
    assert first is not None
    assert (first.preview_html, first.authors) == ("<p>One</p>", ("Maren Tolliver",))
    assert first.published_at == START - timedelta(days=1)
    again = await run(database, settings, post(1), draft, post(2, title="Renamed"), post(3))
    assert figures(again) == (1, 1, 1, ["draft"])


@on_sqlite
async def test_a_trial_run_writes_nothing(database: Database, settings: Settings) -> None:
    await run(database, settings, post(1))
    tried = await run(database, settings, post(1, title="New"), post(2), dry_run=True)
    assert figures(tried) == (1, 1, 0, [])
    assert await stored(database) == {"post-1"}
    assert figures(await run(database, settings, post(1), post(2))) == (1, 0, 1, [])


@on_sqlite
@pytest.mark.parametrize(
    "fields",
    [
        {"body": "<div>" * 1000},
        {"body": "a\0b"},
        {"body": "a" * 2_000_001},
        {"slug": "Not a slug"},
    ],
)
async def test_what_a_put_refuses_is_skipped_with_the_reason(
    database: Database, settings: Settings, fields: dict[str, Any]
) -> None:
    summary = await run(database, settings, post(1, **fields), post(2))
    assert figures(summary) == (1, 0, 0, ["invalid"])
    ((_, _, ((skipped, _),)),) = summary.skipped.groups()
    assert skipped.source_id == "1"
    assert len(skipped.reason) > 20
    assert await stored(database) == {"post-2"}


@on_sqlite
async def test_an_article_of_another_origin_is_left_alone(
    database: Database, settings: Settings
) -> None:
    body = ArticleIn(title="Ours", body="<p>Ours</p>")
    async with database.transaction() as session:
        await put_article(
            session, "post-1", body, if_match=None, actor="op", settings=settings, now=START
        )
    await run(database, settings, post(2))
    other = {"wordpress": "2", "wordpress_guid": "https://b.example/?p=2"}
    summary = await run(database, settings, post(1), post(2, source_ids=other), post(3))
    assert figures(summary) == (2, 0, 0, ["taken"])
    assert await stored(database) == {"post-1", "post-2", "post-2-2", "post-3"}
    again = await run(database, settings, post(1), post(2, source_ids=other), post(3))
    assert figures(again) == (0, 0, 2, ["taken"])


@on_sqlite
async def test_what_was_changed_here_stays(database: Database, settings: Settings) -> None:
    await run(database, settings, post(1), post(2))
    body = ArticleIn(title="Better", body="<p>1</p>", source_ids=post(1).source_ids)
    async with database.transaction() as session:
        await put_article(
            session, "post-1", body, if_match=None, actor="op", settings=settings, now=START
        )
        await withdraw_article(session, "post-2", if_match=None, actor="op", now=START)
    summary = await run(database, settings, post(1), post(2))
    assert figures(summary) == (0, 0, 0, ["changed-here", "changed-here"])


async def test_an_interrupted_import_keeps_whole_batches_and_goes_on(
    database: Database, settings: Settings
) -> None:
    def breaking_off() -> Iterator[ImportedArticle]:
        yield from (post(number) for number in range(BATCH + 5))
        raise OSError("the disk is gone")

    seen: list[int] = []
    report = import_run(settings, START, report=lambda summary: seen.append(summary.items))
    with pytest.raises(OSError, match="disk"):
        await import_articles(database, breaking_off(), report)
    assert seen == [BATCH]
    summary = await run(database, settings, *(post(number) for number in range(BATCH + 5)))
    assert figures(summary) == (5, 0, BATCH, [])


def renamed(number: int, slug: str, **fields: Any) -> ImportedArticle:
    return post(number, slug=slug, **fields)


def changed(item: ImportedArticle, **changes: Any) -> ArticleIn:
    """The article as somebody here would send it again."""
    return ArticleIn.model_validate({**as_sent(item).model_dump(mode="json"), **changes})


async def entries_of(
    database: Database, settings: Settings, *items: Imported, **changes: Any
) -> list[tuple[str, str | None, list[str]]]:
    """What became of each item: outcome, slug and the kinds of the notes."""
    recorded: list[Entry] = []
    await run(database, settings, *items, record=recorded.append, **changes)
    return [(e.outcome, e.slug, [note.kind for note in e.notes]) for e in recorded]


async def test_a_renamed_post_keeps_its_article_and_its_former_address(
    database: Database, settings: Settings
) -> None:
    await run(database, settings, post(1))
    async with database.reading() as session:
        before = await get_article(session, "post-1")
    moved = renamed(1, "better", title="Corrected")
    assert await entries_of(database, settings, moved) == [("updated", "better", ["renamed"])]
    async with database.reading() as session:
        after = await get_article(session, "better")
        assert await get_article(session, "post-1") is None
        assert await present_slug(session, "post-1") == "better"
        assert await present_slug(session, "better") is None
    assert before is not None
    assert after is not None
    assert (after.id, after.title) == (before.id, "Corrected")
    assert await entries_of(database, settings, moved) == [("unchanged", "better", [])]
    # And back: the newest address counts, the other one leads to it.
    assert await entries_of(database, settings, post(1)) == [("updated", "post-1", ["renamed"])]
    async with database.reading() as session:
        assert await present_slug(session, "better") == "post-1"
        assert await present_slug(session, "post-1") is None


EXCHANGES: list[tuple[str, dict[int, str], dict[int, str]]] = [
    # the posts' new names, and the articles' addresses afterwards
    ("two swap", {1: "post-2", 2: "post-1"}, {1: "post-2", 2: "post-1"}),
    ("three in a circle", {1: "post-2", 2: "post-3", 3: "post-1"},
     {1: "post-2", 2: "post-3", 3: "post-1"}),
    ("one after the other", {1: "post-2", 2: "new"}, {1: "post-2", 2: "new"}),
    ("a chain that ends at one that stays", {1: "post-2", 2: "post-3", 3: "post-3"},
     {1: "post-1", 2: "post-2", 3: "post-3"}),
    ("two want one address", {1: "post-3", 2: "post-3", 3: "new"},
     {1: "post-3", 2: "post-2", 3: "new"}),
    ("a new post at an address that is left", {1: "new", 9: "post-1"},
     {1: "new", 9: "post-1"}),
    ("a new post before it", {9: "post-1", 1: "new"}, {1: "new", 9: "post-1"}),
    ("a new post beside two that swap", {9: "post-1", 1: "post-2", 2: "post-1"},
     {1: "post-2", 2: "post-1", 9: "post-1-9"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("new", "expected"), [e[1:] for e in EXCHANGES], ids=[e[0] for e in EXCHANGES]
)
async def test_posts_may_take_over_each_others_addresses(
    database: Database, settings: Settings, new: dict[int, str], expected: dict[int, str]
) -> None:
    await exchanged(database, settings, new, expected)


@on_sqlite
async def test_two_posts_swap_over_two_batches(database: Database, settings: Settings) -> None:
    between = [post(100 + number) for number in range(BATCH)]
    swap = {1: "post-2", 2: "post-1"}
    await exchanged(database, settings, swap, swap, between)


async def exchanged(
    database: Database,
    settings: Settings,
    new: dict[int, str],
    expected: dict[int, str],
    between: Sequence[ImportedArticle] = (),
) -> None:
    """Import three posts, then with their new names, twice; `between` stands behind the first."""
    before = {number: f"post-{number}" for number in (1, 2, 3)}
    await run(database, settings, *(post(number) for number in before), *between)
    ids = await ids_by_title(database)
    items = [renamed(number, slug) for number, slug in new.items()]
    items += [post(number) for number in before if number not in new]
    mixed = [items[0], *between, *items[1:]]
    for again in (False, True):
        await run(database, settings, *mixed)
        async with database.reading() as session:
            found = await session.execute(select(Article.title, Article.slug, Article.id))
            rows = {title: (slug, id_) for title, slug, id_ in found}
        after = {**before, **expected}
        assert {n: rows[post(n).title][0] for n in after} == after, again
        assert all(rows[post(n).title][1] == ids[post(n).title] for n in before)


async def ids_by_title(database: Database) -> dict[str, str]:
    async with database.reading() as session:
        found = await session.execute(select(Article.title, Article.id))
        return {row.title: row.id for row in found}


@on_sqlite
async def test_who_swapped_is_found_at_the_new_address(
    database: Database, settings: Settings
) -> None:
    await run(database, settings, post(1), post(2))
    swapped = [renamed(1, "post-2"), renamed(2, "post-1")]
    assert await entries_of(database, settings, *swapped) == [
        ("updated", "post-2", ["renamed"]), ("updated", "post-1", ["renamed"]),
    ]  # fmt: skip
    assert await entries_of(database, settings, *swapped) == [
        ("unchanged", "post-2", []), ("unchanged", "post-1", []),
    ]  # fmt: skip
    async with database.reading() as session:
        found = [await get_article(session, f"post-{number}") for number in (1, 2)]
    assert [each.title for each in found if each] == ["Post 2", "Post 1"]


@on_sqlite
async def test_a_made_up_slug_is_no_new_name(database: Database, settings: Settings) -> None:
    named = {**post(1).source_ids, "wordpress_slug": "%d8%a7"}
    await run(database, settings, post(1, slug="2024", source_ids=named))
    later = post(1, slug="2024-1", source_ids=named)
    assert await entries_of(database, settings, later) == [("unchanged", "2024", [])]


@on_sqlite
async def test_a_level_that_was_set_here_stays_and_the_text_is_updated(
    database: Database, settings: Settings
) -> None:
    await run(database, settings, post(1, level="registered"), post(2))
    async with database.transaction() as session:
        for number in (1, 2):
            row = await get_row(session, f"post-{number}")
            assert row is not None
            sent = changed(post(number), access={"level": "free" if number == 1 else "subscribers"})
            await put_article(
                session, row.slug, sent, if_match=None, actor="op", settings=settings, now=START
            )
    new = [post(1, level="subscribers", title="New"), post(2, title="New")]
    for outcome in ("updated", "unchanged"):
        told = await entries_of(database, settings, *new)
        assert told == [
            (outcome, "post-1", ["level-kept"]),
            (outcome, "post-2", ["level-kept"]),
        ]
    async with database.reading() as session:
        articles = [await get_article(session, f"post-{number}") for number in (1, 2)]
    assert [(a.title, a.level) for a in articles if a] == [("New", "free"), ("New", "subscribers")]


async def test_what_its_source_no_longer_shows_is_told_and_withdrawn_on_demand(
    database: Database, settings: Settings
) -> None:
    site = {"wordpress_site": "https://a.example"}
    here = [post(n, source_ids={**post(n).source_ids, **site}) for n in range(1, 6)]
    await run(database, settings, *here)
    async with database.transaction() as session:
        sent = changed(here[4], title="Ours now")
        await put_article(
            session, "post-5", sent, if_match=None, actor="op", settings=settings, now=START
        )
    trashed = [
        Skipped("Gone", str(n), "It lies in the trash.", "trashed", here[n - 1].source_ids, True)
        for n in (2, 5)
    ]
    draft = Skipped("Never here", "9", "It is a draft.", "draft", {"wordpress_guid": "x"}, True)
    later: list[Imported] = [here[0], *trashed, draft, here[2]]  # and the fourth is in no file
    told = await entries_of(database, settings, *later)
    assert told == [
        ("unchanged", "post-1", []),
        ("skipped", "post-2", ["still-public"]),
        ("skipped", "post-5", ["still-public"]),
        ("skipped", None, []),
        ("unchanged", "post-3", []),
        ("missing", "post-4", ["still-public"]),
    ]
    trial = await entries_of(database, settings, *later, withdraw_missing=True, dry_run=True)
    done = await entries_of(database, settings, *later, withdraw_missing=True)
    assert trial == done
    assert [(outcome, slug) for outcome, slug, _ in done] == [
        ("unchanged", "post-1"),
        ("withdrawn", "post-2"),
        ("skipped", "post-5"),
        ("skipped", None),
        ("unchanged", "post-3"),
        ("withdrawn", "post-4"),
    ]
    # Restored there, it comes back.
    assert (await entries_of(database, settings, here[1]))[0] == ("updated", "post-2", [])


@on_sqlite
async def test_an_export_of_a_small_part_withdraws_nothing(
    database: Database, settings: Settings
) -> None:
    site = {"wordpress_site": "https://a.example"}
    here = [post(n, source_ids={**post(n).source_ids, **site}) for n in range(1, 4)]
    await run(database, settings, *here)
    picture = Skipped("a.jpg", "9", "It is a file.", "attachment", {"wordpress": "9", **site})
    for part in (picture, here[0]):
        found = await entries_of(database, settings, part, withdraw_missing=True)
        missing = found[1:]
        assert {(outcome, *notes) for outcome, _, notes in missing} == {
            ("missing", "partial-export")
        }
    assert await entries_of(database, settings, *here[:2], withdraw_missing=True) == [
        ("unchanged", "post-1", []),
        ("unchanged", "post-2", []),
        ("withdrawn", "post-3", []),
    ]


@on_sqlite
async def test_posts_that_have_no_ids_are_known_again_by_their_address(
    database: Database, settings: Settings
) -> None:
    site = {"wordpress_site": "https://a.example"}
    first, second = post(1, source_ids=site), post(2, source_ids=site)
    await run(database, settings, first, second)
    changed = post(2, source_ids=site, body="New words.")
    assert await entries_of(database, settings, first, changed, withdraw_missing=True) == [
        ("unchanged", "post-1", []),
        ("updated", "post-2", []),
    ]
    elsewhere = post(1, source_ids={"wordpress_site": "https://b.example"})
    ((outcome, _, _),) = await entries_of(database, settings, elsewhere)
    assert outcome == "skipped"


@on_sqlite
async def test_one_bad_field_never_loses_an_article(database: Database, settings: Settings) -> None:
    bad: dict[str, Any] = {
        "title": "a" * 301,
        "standfirst": "word " * 500,
        "canonical_url": "javascript:x",
        "image_url": "https://a.example/2009/My Photo é.jpg",
        "image_alt": "b" * 1001,
        "authors": ("c" * 201, "Maren"),
        "section": "d" * 201,
        "tags": tuple(str(number) for number in range(101)),
        "language": "not a language",
    }
    ((outcome, slug, notes),) = await entries_of(database, settings, post(1, **bad))
    assert (outcome, slug) == ("created", "post-1")
    assert Counter(notes) == {"trimmed": 6, "left-out": 2, "encoded": 1}
    async with database.reading() as session:
        stored = await get_article(session, "post-1")
    assert stored is not None
    assert stored.image_url == "https://a.example/2009/My%20Photo%20%C3%A9.jpg"
    assert len(stored.standfirst) <= 2000
    assert stored.canonical_url is None


@on_sqlite
async def test_an_old_text_was_not_changed_by_its_import(
    database: Database, settings: Settings
) -> None:
    changed = START - timedelta(hours=3)
    await run(database, settings, post(1), post(2, updated_at=changed))
    async with database.reading() as session:
        rows = [await get_row(session, f"post-{number}") for number in (1, 2)]
    assert [row.updated_at for row in rows if row] == [START - timedelta(days=1), changed]
