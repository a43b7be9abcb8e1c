"""Where a prompt can be looked at in the newspaper: an article that shows it, as seen by one of its readers."""

from collections.abc import Sequence
from itertools import product
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audience import audiences_for, seen_by
from service.access.read import Look
from service.content.article import ListedArticle
from service.content.store import list_articles
from service.db.context import Context
from service.offers.on_sale import Assortment
from service.rules.in_force import InForce
from service.rules.prompts import Prompt

_LOOKED_AT, _SECTIONS = 30, 5


class PreviewLinks:
    """For the prompts of one page; articles are read once a section."""

    def __init__(
        self, session: AsyncSession, assortment: Assortment, context: Context, in_force: InForce
    ) -> None:
        self._session, self._assortment = session, assortment
        self._context, self._in_force = context, in_force
        self._newest: dict[str | None, Sequence[ListedArticle]] = {}

    async def of(self, prompt: Prompt) -> str | None:
        """None: none of the newest articles shows it."""
        sections: Sequence[str | None] = sorted(prompt.sections)[:_SECTIONS] or [None]
        found = [each for section in sections for each in await self._articles(section)]
        articles = [each for each in found if prompt.is_about(each.section, each.language)]
        for audience, article in product(audiences_for(prompt), articles):
            seen = seen_by(
                audience, article, self._assortment, self._context, self._in_force, prompt
            )
            if _shows(seen, prompt):
                asked = urlencode({"as": audience, "prompt": prompt.name})
                return f"/articles/{article.slug}/preview?{asked}"
        return None

    async def _articles(self, section: str | None) -> Sequence[ListedArticle]:
        if section not in self._newest:
            page = await list_articles(
                self._session, section=section, tag=None, author=None, q=None, cursor=None,
                limit=_LOOKED_AT, now=self._context.clocks.business(),
            )  # fmt: skip
            self._newest[section] = page.items
        return self._newest[section]


def _shows(seen: Look, prompt: Prompt) -> bool:
    if prompt.place == "wall":
        return seen.wall is not None and seen.wall.title == prompt.title
    return any(each.key == prompt.key for each in seen.notices)
