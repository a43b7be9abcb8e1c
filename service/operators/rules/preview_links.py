"""Where a prompt can be looked at in the newspaper: an article that shows it, as seen by one of its readers."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import product
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audience import Audience, audiences_for, can_hear, occasion_for
from service.content.article import ListedArticle
from service.content.store import list_articles
from service.rules.in_force import InForce
from service.rules.prompts import Occasion, Prompt

_LOOKED_AT, _SECTIONS = 30, 5
_Newest = Mapping[str | None, Sequence[ListedArticle]]
"""By section; None: of all."""


async def preview_links(
    session: AsyncSession, prompts: Iterable[Prompt], in_force: InForce, now: datetime
) -> list[str | None]:
    """One for each prompt. None: none of the newest articles shows it."""
    asked = list(prompts)
    if not asked:
        return []
    newest: dict[str | None, Sequence[ListedArticle]] = {}
    for section in dict.fromkeys(each for prompt in asked for each in _sections(prompt)):
        page = await list_articles(
            session, section=section, tag=None, author=None, q=None, cursor=None,
            limit=_LOOKED_AT, now=now,
        )  # fmt: skip
        newest[section] = page.items
    # In a thread: for many prompts it takes a moment, in which readers are answered.
    return await asyncio.to_thread(_links, asked, newest, in_force, now)


def _sections(prompt: Prompt) -> Sequence[str | None]:
    return sorted(prompt.sections)[:_SECTIONS] or [None]


def _links(
    prompts: Iterable[Prompt], newest: _Newest, in_force: InForce, now: datetime
) -> list[str | None]:
    articles = {each.id: each for items in newest.values() for each in items}

    @cache
    def occasion(audience: Audience, article_id: str) -> Occasion:
        # The same for all prompts.
        return occasion_for(audience, articles[article_id], now, in_force)

    def shows(prompt: Prompt) -> Iterator[str]:
        found = [each for section in _sections(prompt) for each in newest[section]]
        about = [each for each in found if prompt.is_about(each.section, each.language)]
        for audience, article in product(audiences_for(prompt), about):
            if can_hear(prompt, occasion(audience, article.id)):
                asked = urlencode({"as": audience, "prompt": prompt.name})
                yield f"/articles/{article.slug}/preview?{asked}"

    return [next(shows(prompt), None) for prompt in prompts]
