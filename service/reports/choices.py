"""What figures and the lists behind them can be filtered by: in words, and with the values there are."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from babel import Locale
from babel.numbers import is_currency
from sqlalchemy import func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.words import HELPING_WORDS
from service.db.tables import Article, MovementRow, Offer, PromotionUse, Subscription
from service.finance.declines import decline_words
from service.offers.store import all_offers
from service.problems import invalid_field
from service.reports import subscriber_list
from service.reports.dimension_words import WORDS
from service.reports.movement_sums import LATER, TENURES
from service.reports.offer_names import offer_words
from service.reports.period import cohort_month, step_starts
from service.reports.queries.depths import PUBLICATION
from service.reports.queries.holders import NO_SECTION
from service.reports.queries.money import UNKNOWN
from service.rules.document import of_settings
from service.rules.prompts import AUDIENCE_WORDS, NO_PROMPT
from service.rules.store import meter_names, rules_documents
from service.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

_FIXED = {
    "interval_charged": ("day", "week", "month", "year"), "wall": ("register", "subscribe"),
    "audience": tuple(AUDIENCE_WORDS), "tenure": (*TENURES, LATER),
}  # fmt: skip
VALUE_WORDS: Mapping[str, Mapping[str, str]] = {
    "audience": {str(each): words for each, words in AUDIENCE_WORDS.items()},
    "interval_charged": {"day": "Daily", "week": "Weekly", "month": "Monthly", "year": "Yearly"},
    "wall": {"register": "To register", "subscribe": "To subscribe"},
    "tenure": {
        "day_1": "1 day", "day_7": "2 to 7 days", "day_30": "8 to 30 days", "day_100": "31 to 100 days",
        LATER: "Longer",
    },
}  # fmt: skip
"""What a page calls the values of a filter that are always the same."""


_A_DAY = timedelta(days=1)
_SHORT = ("sepa", "us", "au", "ach")
"""Parts of Stripe's names of ways to pay that are written in capitals."""


async def split_words(
    session: AsyncSession, split: str, values: Collection[str], settings: Settings
) -> Mapping[str, str]:
    """What a page calls the values by which a figure is told apart."""
    match split:
        case "prompt":
            return await _earlier_words(session, settings)
        case "decline":
            return _told_apart({each: decline_words(each) for each in values})
        case "country":
            names = Locale("en").territories
            return {each: names.get(each, each.capitalize()) for each in values if each}
        case "method":
            return {each: _method(each) for each in values}
        case "offer":
            return await offer_words(session, settings.zone)
        case "cohort":
            return _months(values)
        case _:
            return VALUE_WORDS.get(split, {})


def _months(values: Collection[str]) -> dict[str, str]:
    return {each: f"{cohort_month(each):%b %Y}" for each in values}


def _told_apart(words: Mapping[str, str]) -> dict[str, str]:
    """Where two have the same words, with the codes."""
    often = Counter(words.values())
    return {code: said if often[said] == 1 else f"{said} ({code})" for code, said in words.items()}


def _method(method: str) -> str:
    """`sepa_debit` as `SEPA debit`."""
    words = (each.upper() if each in _SHORT else each for each in method.split("_"))
    text = " ".join(words)
    return text[:1].upper() + text[1:]


async def _earlier_words(session: AsyncSession, settings: Settings) -> dict[str, str]:
    """Rows from before prompts' names were kept name their words by a digest: whose they were."""
    found = {_digest(title, text): NO_PROMPT["helping"] for title, text in HELPING_WORDS.values()}
    # The newest last: its name is the one that words have.
    known = reversed(await rules_documents(session))
    documents = [of_settings(settings).model_dump(), *known]
    for walls, prompts in (
        (each.get("walls") or {}, each.get("prompts") or ()) for each in documents
    ):
        for wall in ("subscribe_wall", "register_wall"):
            if wall in walls:
                found[_digest(walls[wall]["title"], walls[wall]["text"])] = NO_PROMPT["usual"]
        for prompt in prompts:
            found[_digest(prompt["title"], prompt.get("text", ""))] = f"{prompt['name']}, earlier"
    return found


def _digest(title: str, text: str) -> str:
    return sha256(f"{title}\n{text}".encode()).hexdigest()[:12]


async def value_words(
    session: AsyncSession, known: Mapping[str, Collection[str]], settings: Settings
) -> Mapping[str, Mapping[str, str]]:
    """What a page calls these values of its filters, where they aren't in words already."""
    found = dict(VALUE_WORDS)
    if "offer" in known:
        found["offer"] = await offer_words(session, settings.zone)
    if "cohort" in known:
        found["cohort"] = _months(known["cohort"])
    return found


async def known_values(session: AsyncSession, names: Iterable[str]) -> dict[str, list[str]]:
    """What each of these filters can be set to; nothing: whatever is typed."""
    return {name: await _known(session, name) for name in names}


async def refuse_unknown(session: AsyncSession, chosen: Mapping[str, str]) -> None:
    """Raise Problem `invalid-request` for a filter's value that no row can have.

    A section is that of an article now; a plan or an offer may be an earlier one. What buyers, cards, banks and
    Stripe bring along, such as coupons, is anybody's word, and never unknown.
    """
    for name, value in chosen.items():
        if not await _is_known(session, name, value):
            raise invalid_field(f"query.{name}", f"{WORDS[name]}: {value!r} doesn’t exist.")


async def _is_known(session: AsyncSession, name: str, value: str) -> bool:
    match name:
        case "currency":
            # Money is settled in others, too, than what offers are in.
            return is_currency(value)
        case "plan" | "section" | "offer":
            if value == UNKNOWN or value in await _known(session, name):
                return True
            return name == "plan" and await _was_sold(session, value)
        case _:
            return value in _FIXED.get(name, (value,))


async def _was_sold(session: AsyncSession, plan: str) -> bool:
    """Whether a subscription has the plan, or a change of one had it: an offer's may have another name by now."""
    moved = or_(MovementRow.to_plan == plan, MovementRow.from_plan == plan)
    sold = union_all(
        select(literal(1)).where(Subscription.plan == plan), select(literal(1)).where(moved)
    )
    return await session.scalar(sold.limit(1)) is not None


async def _known(session: AsyncSession, name: str) -> list[str]:
    match name:
        case "plan":
            # What opens one article alone has no plan.
            return [each for each in await subscriber_list.plans(session) if each]
        case "currency":
            return await _distinct(session, Offer.currency)
        case "section":
            return [*await _distinct(session, Article.section), NO_SECTION]
        case "meter":
            return [*sorted(await meter_names(session)), PUBLICATION]
        case "prompt":
            names = {
                each["name"]
                for rules in await rules_documents(session)
                for each in rules["prompts"] or ()
            }
            return [*sorted(names), *NO_PROMPT.values()]
        case "coupon":
            return await _distinct(session, PromotionUse.coupon)
        case "cohort":
            return await _cohorts(session)
        case "offer":
            return [each.id for each in await all_offers(session)]
        case _:
            return list(_FIXED.get(name, ()))


async def _cohorts(session: AsyncSession) -> list[str]:
    """The months in which anything moved, the latest first; around their ends zones differ."""
    first = await session.scalar(select(func.min(MovementRow.at)))
    last = await session.scalar(select(func.max(MovementRow.at)))
    if first is None or last is None:
        return []
    months = step_starts((first - _A_DAY).date(), (last + _A_DAY).date(), "month")
    return [f"{each:%Y-%m}" for each in months][::-1]


async def _distinct(
    session: AsyncSession, column: "InstrumentedAttribute[str] | InstrumentedAttribute[str | None]"
) -> list[str]:
    found = select(column).where(column.is_not(None)).distinct().order_by(column)
    return [each for each in await session.scalars(found) if each is not None]
