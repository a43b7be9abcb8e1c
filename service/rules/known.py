"""What rules name and the newsroom has: offers must be there, plans and sections may come later.

An offer's id is ours, so nobody can name one before it is made. A plan comes with its first offer and a section with
its first article: a name that nothing has yet is a warning, not a mistake.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Article, Offer
from service.problems import Problem
from service.rules.document import RulesIn
from service.texts import plain_name

_MOST_TOLD = 50


async def check_offers(session: AsyncSession, named: Sequence[tuple[str, Iterable[str]]]) -> None:
    """Problem `invalid-request` for ids that no offer has. `named`: the field of the body, and its ids."""
    wanted = {each for _, ids in named for each in ids}
    if not wanted:
        return
    there = set(await session.scalars(select(Offer.id).where(Offer.id.in_(wanted))))
    unknown = [(field, [each for each in ids if each not in there]) for field, ids in named]
    unknown = [(field, ids) for field, ids in unknown if ids]
    if not unknown:
        return
    sold = await session.execute(
        select(Offer.id, Offer.name)
        .where(Offer.archived_at.is_(None))
        .order_by(Offer.name, Offer.id)
        .limit(_MOST_TOLD)
    )
    known = ", ".join(f"{row.id} ({row.name})" for row in sold) or "none"
    raise Problem(
        "invalid-request",
        f"There is no offer {unknown[0][1][0]}. Offers on sale: {known}.",
        errors=[
            {"field": field, "message": f"no offer {', '.join(ids)}; on sale: {known}"}
            for field, ids in unknown
        ],
    )


async def warnings_of(session: AsyncSession, rules: RulesIn) -> list[str]:
    """Sentences about plans that no offer sells, and sections that no article is in."""
    levels = rules.levels
    plans = {
        plan for each in (levels.default, *levels.sections, *levels.tags) for plan in each.plans
    }
    sections = {each.name for each in levels.sections}
    sections.update(section for each in rules.meters for section in each.sections)
    sections.update(section for each in rules.prompts for section in each.sections)
    if rules.crawlers is not None:
        sections.update(rules.crawlers.licensed_sections)
    return [
        *await plan_warnings(session, plans),
        *(
            f"The section {each} has no articles yet."
            for each in await empty_sections(session, sections)
        ),
    ]


async def plan_warnings(session: AsyncSession, plans: Iterable[str]) -> list[str]:
    """A sentence about each of the plans that no offer sells."""
    return [f"No offer sells the plan {each} yet." for each in await unsold_plans(session, plans)]


async def unsold_plans(session: AsyncSession, plans: Iterable[str]) -> list[str]:
    """Those of the plans that no offer has, on sale or not."""
    wanted = set(plans)
    if not wanted:
        return []
    # All plans, since a list that was sent may name more than a statement takes.
    return sorted(wanted - set(await session.scalars(select(Offer.plan).distinct())))


async def empty_sections(session: AsyncSession, sections: Iterable[str]) -> list[str]:
    """Those of the sections that no article is in, as rules compare them."""
    wanted = set(sections)
    if not wanted:
        return []
    # All of them, since SQL can't compare so.
    found = await session.scalars(select(Article.section).distinct())
    return sorted(wanted - {plain_name(each) for each in found if each is not None})
