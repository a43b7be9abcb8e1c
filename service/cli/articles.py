"""`paywall articles`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from service.cli.progress import progress_bar
from service.cli.running import CommandFailed, command, failing_with, ready_context, say_if_empty
from service.content.cache import ArticleCache
from service.content.change import ArticleChange, change_stored
from service.content.level import level_at
from service.content.recut import ArticlePreview, list_previews, recut
from service.content.schemas import AccessIn
from service.content.staff_list import StaffFilter, conditions, list_for_staff
from service.content.store import level_facts
from service.identity.callers import COMMAND
from service.levels import Level
from service.rules.in_force import RuleBook, rules_in_force
from service.settings import Settings
from service.texts import number_of

EXAMPLE = "Example: paywall articles previews | head -30"
app = typer.Typer(help="Manage stored articles.", epilog=EXAMPLE, no_args_is_help=True)
_TENTH = 10
_CUT_BY = {"mark": "author's mark", "wall": "source's wall", "automatic": "automatic"}


@app.callback()
def group() -> None:
    """Manage stored articles."""


@app.command(epilog=EXAMPLE)
@command
async def previews(
    recut_all: Annotated[
        bool,
        typer.Option(
            "--recut",
            help="Rebuild all texts and previews from what was sent, with the settings and rules of "
            "today. Authors' marks and the sources' walls stay.",
        ),
    ] = False,
) -> None:
    """List what share of each article's words is public, its level, and who decides it; odd ones first.

    Safe to interrupt and to repeat, also beside a running service.
    """
    settings = Settings()
    async with ready_context(settings) as context:
        in_force = await rules_in_force(settings, context.database)
        now = context.clocks.business()
        if recut_all:
            with progress_bar("Cutting") as progress:
                changed = await recut(
                    context.database, in_force, actor=COMMAND.label, now=now, progress=progress
                )
            print(f"{changed} articles were changed.\n")
        with progress_bar("Reading") as progress:
            found = await list_previews(context.database, in_force, now=now, progress=progress)
    for each in found:
        print(_line(each))
        for sentence in each.oddities:
            print(f"      {sentence}")
    print(_summary(found))


@app.command("list", epilog="Example: paywall articles list --level free --section News")
@command
async def list_articles(
    level: Annotated[str, typer.Option(help="The current level.")] = "",
    section: Annotated[str, typer.Option(help="Full name.")] = "",
    author: Annotated[str, typer.Option(help="Part of a name.")] = "",
) -> None:
    """List articles with their status and level, and what sets it; the newest first."""
    settings = Settings()
    chosen = StaffFilter(section=section, level=_level(level), author=author)
    cursor = None
    async with ready_context(settings) as context:
        rules = (await rules_in_force(settings, context.database)).rules.levels
        now = context.clocks.business()
        async with context.database.reading() as session:
            filters = conditions(session, chosen, rules, now)
        while True:
            async with context.database.reading() as session:
                page = await list_for_staff(session, filters, cursor=cursor, limit=100)
            if cursor is None:
                say_if_empty(page.items, "No article fits.")
            for article in page.items:
                held = level_at(level_facts(article), rules, now)
                print(f"{article.status:<10} {held.level:<11} {held.source:<11} {article.slug}")
            if (cursor := page.next_cursor) is None:
                return


@app.command("level", epilog="Example: paywall articles level lamp-oil subscribers")
@command
async def set_level(
    slug: Annotated[str, typer.Argument(help="The article's slug.")],
    level: Annotated[
        str, typer.Argument(help="free, metered, registered, subscribers; default: use the rules.")
    ],
) -> None:
    """Change an article's level. Removes its plans and its schedule."""
    named = None if level == "default" else _level(level)
    await _change(slug, ArticleChange(access=AccessIn(level=named)))
    print(f"{slug} is {level} now.")


@app.command(epilog="Example: paywall articles withdraw lamp-oil")
@command
async def withdraw(slug: Annotated[str, typer.Argument(help="The article's slug.")]) -> None:
    """Withdraw an article. It stays stored."""
    await _change(slug, ArticleChange(status="withdrawn"))
    print(f"{slug} is withdrawn.")


@app.command(epilog="Example: paywall articles publish lamp-oil")
@command
async def publish(slug: Annotated[str, typer.Argument(help="The article's slug.")]) -> None:
    """Publish a withdrawn article again, or a draft now."""
    await _change(slug, ArticleChange(status="published"))
    print(f"{slug} is published.")


async def _change(slug: str, wanted: ArticleChange) -> None:
    unknown = f"Article {slug} not found. See `paywall articles list`."
    async with ready_context(Settings()) as context:
        cache = ArticleCache(RuleBook(context.settings), context.clocks)
        with failing_with(unknown):
            await change_stored(
                context, cache, asyncio.to_thread, slug, wanted, if_match=None,
                actor=COMMAND.label,
            )  # fmt: skip


def _level(name: str) -> Level | None:
    """The level of that name; empty: none."""
    for level in get_args(Level):
        if level == name:
            return level  # type: ignore[no-any-return]
    if name:
        raise CommandFailed(f"Unknown level {name!r}. Choose one of {', '.join(get_args(Level))}.")
    return None


def _line(each: ArticlePreview) -> str:
    share = each.share
    return (
        f"{share.percent:>3} %  {share.public_words:>5} of {share.words:<6} {each.level:<11} "
        f"{_CUT_BY[share.cut_by]:<14} {each.slug}"
    )


def _summary(found: Sequence[ArticlePreview]) -> str:
    odd = sum(1 for each in found if each.oddities)
    tenths = Counter(min(each.share.percent // _TENTH, _TENTH - 1) for each in found)
    shares = ", ".join(
        f"{tenth * _TENTH}-{tenth * _TENTH + _TENTH} %: {tenths[tenth]}" for tenth in sorted(tenths)
    )
    return f"\n{number_of(len(found), 'article')}, {odd} of them to check. By public share: {shares or 'none'}."
