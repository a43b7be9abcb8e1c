"""Offers in filters and splits: their ids, and in words their names with what tells apart those of one name."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Offer
from service.offers.pricing import price_text
from service.offers.store import all_offers, price_of
from service.problems import invalid_field


async def offer_words(session: AsyncSession, zone: ZoneInfo) -> dict[str, str]:
    """What a page calls each offer, in the catalogue's order."""
    return told_apart(await all_offers(session), zone)


def told_apart(offers: Iterable[Offer], zone: ZoneInfo) -> dict[str, str]:
    """Each offer's name; of several with one name also the price, then the day they are sold from, then the id."""
    found = {each.id: each for each in offers}
    words = {each.id: each.name for each in found.values()}
    more: tuple[Callable[[Offer], str], ...] = (
        lambda offer: price_text(price_of(offer)),
        lambda offer: f"from {(at := offer.created_at.astimezone(zone)).day} {at:%b %Y}",
        lambda offer: offer.id,
    )
    for part in more:
        often = Counter(words.values())
        words = {
            id_: said if often[said] == 1 else f"{said}, {part(found[id_])}"
            for id_, said in words.items()
        }
    return words


async def by_id(session: AsyncSession, chosen: Mapping[str, str]) -> Mapping[str, str]:
    """The filters with the offer's id where its name is given, as in addresses from before offers went by ids.

    Raises Problem `invalid-request` for a name that several have.
    """
    given = chosen.get("offer")
    if not given or await session.get(Offer, given) is not None:
        return chosen
    found = list(await session.scalars(select(Offer.id).where(Offer.name == given).limit(2)))
    if len(found) > 1:
        raise invalid_field(
            "query.offer",
            f"Offer: several are called {given!r}. Choose one of them, by its id in an address.",
        )
    return {**chosen, "offer": found[0]} if found else chosen
