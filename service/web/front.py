"""The front page: what is where. Everything on it comes from teasers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from service.content.store import list_articles, list_sections
from service.html.list_query import LONGEST_CURSOR
from service.rules.in_force import InForce
from service.texts import plain_name, storable
from service.web.cards import Teased

PAGE = 25
RAIL = 3
"""The number of articles beside the lead."""
MORE = 3


class FrontQuery(BaseModel):
    """What of the paper is asked for: empty fields mean all of it, from the latest on."""

    section: Annotated[
        str, Field(max_length=200), AfterValidator(storable), AfterValidator(plain_name)
    ] = ""
    cursor: Annotated[str, Field(max_length=LONGEST_CURSOR)] = ""


@dataclass(frozen=True)
class Block:
    """Teasers under a heading; None: without one."""

    heading: str | None
    teasers: list[Teased]


@dataclass(frozen=True)
class Front:
    """The page. `lead` and `rail` are on the first page only."""

    sections: list[str]
    lead: Teased | None
    rail: list[Teased]
    blocks: list[Block]
    next_cursor: str | None


async def front_page(
    session: AsyncSession, asked: FrontQuery, in_force: InForce, now: datetime
) -> Front:
    """Raises Problem `invalid-request` for a cursor that isn't ours."""
    listed = await list_articles(
        session,
        section=asked.section or None,
        tag=None,
        author=None,
        q=None,
        cursor=asked.cursor or None,
        limit=PAGE,
        now=now,
    )
    teasers = [Teased.of(each, in_force, now) for each in listed.items]
    is_first = not asked.cursor
    lead = teasers.pop(0) if is_first and teasers else None
    rail = teasers[:RAIL] if is_first and not asked.section else []
    rest = teasers[len(rail) :]
    return Front(
        sections=await list_sections(session, now),
        lead=lead,
        rail=rail,
        blocks=_by_section(rest) if is_first and not asked.section else [Block(None, rest)],
        next_cursor=listed.next_cursor,
    )


async def more_articles(
    session: AsyncSession, but: str, in_force: InForce, now: datetime
) -> list[Teased]:
    """The latest articles, without the one with the slug `but`."""
    listed = await list_articles(
        session, section=None, tag=None, author=None, q=None, cursor=None, limit=MORE + 1, now=now
    )
    others = [each for each in listed.items if each.slug != but]
    return [Teased.of(each, in_force, now) for each in others[:MORE]]


def _by_section(teasers: list[Teased]) -> list[Block]:
    """One block a section, in the order in which sections first appear."""
    blocks: dict[str | None, Block] = {}
    for teaser in teasers:
        section = teaser.section
        blocks.setdefault(section, Block(section or "More", [])).teasers.append(teaser)
    return list(blocks.values())
