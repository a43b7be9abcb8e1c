"""`paywall offers`: what is sold."""

import sys
from typing import Annotated

import typer

from service.billing.adopt import adopt_price, adoptable_price
from service.cli.changing import changing
from service.cli.running import CommandFailed, command, ready_context, say_if_empty
from service.offers import store
from service.offers.catalogue import OfferChange, change_offer, make_offer
from service.offers.pricing import (
    InvalidPrice,
    Price,
    amount_text,
    checked_price,
    minor_units,
    price_text,
)
from service.payments.configured import gateway_of_settings
from service.problems import Problem
from service.settings import Settings
from service.texts import number_of

_EXAMPLE = (
    "Example: paywall offers create --name Monthly --plan digital --amount 9.00 --currency EUR "
    "--interval month --trial-days 14"
)
_EXAMPLES = (
    _EXAMPLE,
    (
        "A day for 2.00: paywall offers create --pass --name 'Day pass' --plan digital --amount 2.00 "
        "--currency EUR --interval day"
    ),
    (
        "One article for a week: paywall offers create --pass --article --name 'This article' "
        "--amount 0.90 --currency EUR --interval week"
    ),
    (
        "1.00 a month for 3 months: paywall offers create --name Monthly --plan digital --amount 9.00 "
        "--currency EUR --interval month --intro-amount 1.00 --intro-periods 3"
    ),
    (
        "A lower price for former subscribers: paywall offers create --win-back --name 'Welcome back' "
        "--plan digital --amount 5.00 --currency EUR --interval month"
    ),
)
app = typer.Typer(help="Offers on sale.", epilog=_EXAMPLE, no_args_is_help=True)


@app.command(epilog="\n\n".join(_EXAMPLES))
@command
async def create(
    name: Annotated[str, typer.Option(help="What readers see.")],
    amount: Annotated[str, typer.Option(help="In the currency's unit, such as 9.00.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    interval: Annotated[str, typer.Option(help="day, week, month or year.")],
    plan: Annotated[str, typer.Option(help="What it opens, such as digital.")] = "",
    interval_count: Annotated[
        int,
        typer.Option(help="Number of intervals between payments; for a pass, how many it lasts."),
    ] = 1,
    trial_days: Annotated[int, typer.Option(help="Free days before the first charge.")] = 0,
    intro_amount: Annotated[
        str | None,
        typer.Option(help="What each first period costs new subscribers, such as 1.00."),
    ] = None,
    intro_periods: Annotated[
        int | None, typer.Option(help="How many periods have the intro price. [default: 1]")
    ] = None,
    is_pass: Annotated[
        bool, typer.Option("--pass", help="Paid once, and open for the interval.")
    ] = False,
    most_seats: Annotated[
        int,
        typer.Option("--most-seats", help="Sold by the seat, up to this number. [default: not]"),
    ] = 0,
    gift: Annotated[
        bool, typer.Option("--gift", help="Paid once, for the interval, for somebody else.")
    ] = False,
    article: Annotated[
        bool, typer.Option("--article", help="A pass for one article, without a plan.")
    ] = False,
    win_back: Annotated[
        bool,
        typer.Option(
            "--win-back", help="For readers who subscribed before. Only a prompt shows it."
        ),
    ] = False,
) -> None:
    """Create an offer. The running service creates its price at Stripe."""
    if intro_periods is None:
        intro_periods = 0 if intro_amount is None else 1
    first = None if intro_amount is None else _minor_units("--intro-amount", intro_amount, currency)
    async with changing(Settings()) as change:
        try:
            price = checked_price(
                amount=_minor_units("--amount", amount, currency), currency=currency,
                interval=interval,
                interval_count=interval_count, trial_days=trial_days,
                kind="gift" if gift else "pass" if is_pass else "subscription", covers="article" if article else "plan",
                intro_amount=first, intro_periods=intro_periods, most_seats=most_seats,
            )  # fmt: skip
            _confirm(name, price)
            offer = await make_offer(
                change, name=name, plan=plan, price=price,
                sold_to="former" if win_back else "everybody",
            )  # fmt: skip
        except InvalidPrice as error:
            raise CommandFailed(f"The offer wasn't created. {error}.") from error
    print(f"{offer.id}  {name}: {price_text(price)}")


def _minor_units(option: str, typed: str, currency: str) -> int:
    try:
        return minor_units(typed, currency.upper())
    except ValueError as error:
        raise CommandFailed(f"The offer wasn’t created.  {option} {typed}: {error}.") from error


def _confirm(name: str, price: Price) -> None:
    """Ask somebody at a terminal: a price can't be changed afterwards."""
    if sys.stdin.isatty() and not typer.confirm(f"{name}: {price_text(price)}. Sell it?"):
        raise CommandFailed("The offer wasn’t created.  Run the command again with another amount.")


@app.command(
    epilog="Example: paywall offers adopt price_0123456789abcd --name Staff --plan digital"
)
@command
async def adopt(
    price: Annotated[str, typer.Argument(help="Its id at Stripe.")],
    name: Annotated[str, typer.Option(help="What readers see.")],
    plan: Annotated[
        str, typer.Option(help="What it opens; needed where its product is none of ours.")
    ] = "",
) -> None:
    """Add an existing Stripe price to the catalogue. It isn't shown at the wall.

    Subscriptions with this price are given their plan by the running service, within a minute.
    """
    settings = Settings()
    gateway = gateway_of_settings(settings)
    if gateway is None:
        raise CommandFailed("Selling is off: PAYWALL_STRIPE_SECRET_KEY is not set.")
    try:
        found = await adoptable_price(gateway, price)
        async with changing(settings) as change:
            offer = await adopt_price(change, found, name=name, plan=plan)
    except InvalidPrice as error:
        raise CommandFailed(f"The offer wasn't created. {error}.") from error
    finally:
        await gateway.close()
    print(f"{offer.id}  {name}, {offer.plan}: {price_text(store.price_of(offer))}")


@app.command("list", epilog="Example: paywall offers list --all")
@command
async def list_offers(
    every: Annotated[bool, typer.Option("--all", help="Include ended offers.")] = False,
) -> None:
    """List the offers on sale, in the order readers see."""
    async with ready_context(Settings()) as context, context.database.reading() as session:
        found = await (store.all_offers(session) if every else store.live_offers(session))
        say_if_empty(found, "Nothing is sold. `paywall offers create` makes an offer.")
        for offer in found:
            opens = offer.plan or "one article"
            former = ", for former subscribers" if offer.sold_to == "former" else ""
            ended = " (no longer sold)" if offer.archived_at is not None else ""
            print(
                f"{offer.id}  {offer.name}, {opens}: {price_text(store.price_of(offer))}{former}{ended}"
            )


@app.command(epilog="Example: paywall offers sold --from 2026-03-01 --to 2026-03-31")
@command
async def sold(
    first: Annotated[str, typer.Option("--from", help="The first day. [default: 30 days]")] = "",
    last: Annotated[str, typer.Option("--to", help="The last day, included.")] = "",
) -> None:
    """Show what each offer sold, also those that are no longer sold, and what it brings now."""
    # Figures take longer to import than the other commands to run.
    from service.reports.article_schemas import recent  # noqa: PLC0415
    from service.reports.offer_list import figures_of_offers  # noqa: PLC0415

    async with ready_context(Settings()) as context:
        asked = recent(first, last, context.settings, context.clocks.business())
        async with context.database.slow_reading("reports") as session:
            offers = await store.all_offers(session)
            found = await figures_of_offers(session, offers, asked)
    say_if_empty(found, "Nothing is sold. `paywall offers create` makes an offer.")
    print(f"Sold from {asked.period.first} to {asked.period.last}; the rest is of now")
    for each in found:
        mrr = ", ".join(amount_text(amount, code) for code, amount in sorted(each.mrr.items()))
        print(
            f"{each.offer.id}  {each.offer.name}: {each.sold} sold, {number_of(each.subscribers, 'subscriber')}, "
            f"{each.trials} in a trial, MRR {mrr or 'none'}"
        )


@app.command(epilog="Example: paywall offers archive off_0123456789abcdef01234567")
@command
async def archive(
    offer: Annotated[str, typer.Argument(help="The offer's id, as shown by list.")],
) -> None:
    """Stop selling an offer. Existing subscribers keep it."""
    await _change(offer, OfferChange(shown=False))
    print(f"{offer} is no longer sold.")


@app.command(epilog="Example: paywall offers show off_0123456789abcdef01234567")
@command
async def show(
    offer: Annotated[str, typer.Argument(help="The offer's id, as shown by list.")],
) -> None:
    """Put an archived or adopted offer on sale."""
    await _change(offer, OfferChange(shown=True))
    print(f"{offer} is on sale.")


@app.command(
    epilog="Example: paywall offers rename off_0123456789abcdef01234567 'Monthly, digital'"
)
@command
async def rename(
    offer: Annotated[str, typer.Argument(help="The offer's id, as shown by list.")],
    name: Annotated[str, typer.Argument(help="What readers see.")],
) -> None:
    """Rename an offer."""
    await _change(offer, OfferChange(name=name))
    print(f"{offer} is {name} now.")


async def _change(offer_id: str, wanted: OfferChange) -> None:
    async with changing(Settings()) as change:
        try:
            await change_offer(change, offer_id, wanted, if_match=None)
        except Problem as problem:
            if problem.slug == "offer-not-found":
                raise CommandFailed(
                    f"Offer {offer_id} not found. See `paywall offers list --all`."
                ) from problem
            raise CommandFailed(problem.detail) from problem
