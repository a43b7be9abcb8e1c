"""Changing what is sold, with its audit rows. A price never changes: a new amount is a new offer."""

from dataclasses import dataclass

from service.db.tables import Offer
from service.identity.audit import Change
from service.identity.meanwhile import check_unchanged
from service.offers.pricing import InvalidPrice, Price, SoldTo, price_text
from service.offers.store import checked_name, create_offer
from service.problems import Problem, invalid_field
from service.rules.experiment_offers import check_no_experiment_shows

LAST_PLACE = 1_000_000


@dataclass(frozen=True)
class OfferChange:
    """What shall be otherwise; None: as it is. `shown`: whether it is sold. `position`: smaller is shown first."""

    name: str | None = None
    shown: bool | None = None
    position: int | None = None


def offer_etag(offer: Offer) -> str:
    """The validator of an offer's admin representation."""
    return f'"v{offer.version}"'


async def make_offer(
    change: Change, *, name: str, plan: str, price: Price, sold_to: SoldTo = "everybody"
) -> Offer:
    """Sell something new, at the end of the catalogue. InvalidPrice names the field that can't be."""
    now = change.clocks.business()
    offer = await create_offer(
        change.session, name=name, plan=plan, price=price, sold_to=sold_to, now=now
    )
    made = {"name": offer.name, "plan": plan, "price": price_text(price)}
    if sold_to != "everybody":
        made["sold_to"] = sold_to
    await change.record("offer.create", offer.id, after=made)
    return offer


async def change_offer(
    change: Change,
    offer_id: str,
    wanted: OfferChange,
    *,
    if_match: str | None = None,
    seen: str | None = None,
) -> Offer:
    """Rename it, show it elsewhere, end it or sell it again; who has it keeps it.

    What is so already writes nothing. Problems: `offer-not-found`; `offer-changed` where it isn't the
    one named by `if_match`, `changed-meanwhile` where it isn't as it was `seen`; `invalid-request` for a name;
    `experiment-relies-on-them` to end or show one that a running experiment shows.
    """
    offer = await change.session.get(Offer, offer_id, with_for_update=True, populate_existing=True)
    if offer is None:
        raise Problem("offer-not-found")
    if if_match is not None and not {"*", offer_etag(offer)} & set(_tags(if_match)):
        raise Problem("offer-changed")
    before = facts_of(offer)
    actions = ("offer.change", "offer.archive")
    await check_unchanged(change.session, before, seen, actions=actions, target=offer_id)
    if wanted.name is not None:
        try:
            offer.name = checked_name(wanted.name)
        except InvalidPrice as error:
            raise invalid_field("body.name", f"Nothing was changed. {error}.") from error
    if wanted.position is not None:
        offer.position = wanted.position
    if wanted.shown is not None and wanted.shown != (offer.archived_at is None):
        now = change.clocks.business()
        await check_no_experiment_shows(change.session, offer_id, now)
        offer.archived_at = None if wanted.shown else now
    after = facts_of(offer)
    if after != before:
        offer.version += 1
        await change.session.flush()
        was_ended = before["sold"] and not after["sold"]
        action = "offer.archive" if was_ended else "offer.change"
        changed = [name for name in after if after[name] != before[name]]
        await change.record(
            action, offer_id,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )  # fmt: skip
    return offer


def _tags(if_match: str) -> list[str]:
    return [tag.strip() for tag in if_match.split(",")]


def facts_of(offer: Offer) -> dict[str, object]:
    """What can be changed of an offer."""
    return {"name": offer.name, "sold": offer.archived_at is None, "position": offer.position}
