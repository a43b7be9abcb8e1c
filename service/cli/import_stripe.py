"""`paywall import stripe`: subscribers that a Stripe account has already."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.billing.adopt import adoptions_of
from service.billing.brought_in import ABOUT, Brought, Entry
from service.billing.import_subscribers import Import, NotThisAccount, import_subscribers
from service.cli.interrupting import Interrupted, interruptible
from service.cli.running import CommandFailed, command, ready_context
from service.cli.troubles import sentence
from service.db.context import Context
from service.identity.callers import COMMAND
from service.logs import configure
from service.offers.pricing import InvalidPrice, amount_text
from service.payments.configured import gateway_of_settings
from service.payments.gateway import Gateway, GatewayUnavailable
from service.settings import Settings
from service.texts import number_of

EXAMPLE = "Example: paywall import stripe --map price_0123456789abcd=off_0123456789abcd --dry-run"
STRIPE_AWAY = 3
_COLUMNS = ["price", "offer"]


@command
async def import_stripe(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="PRICE=OFFER: a price at Stripe that gives what your offer gives. Can be repeated.",
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The same as a CSV file with the columns price and offer.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write what becomes of every subscription into this file, as JSON lines."
        ),
    ] = None,
) -> None:
    """Import the subscribers that your Stripe account has, with what they paid before.

    Nobody is mailed, and nothing is changed at Stripe. A reader finds the subscription by signing in with the
    address that Stripe has. Safe to repeat, and to interrupt and repeat; a running service may go on. Exit code:
    3 where Stripe is away or refuses the key.
    """
    settings = Settings()
    configure("error", "text")  # what is to look at is in the summary
    mapping = _mapping(maps or [], table)
    gateway = gateway_of_settings(settings)
    if gateway is None:
        raise CommandFailed("Selling is off: PAYWALL_STRIPE_SECRET_KEY is not set.")
    try:
        async with ready_context(settings) as context:
            with (
                _reporting(report) as record,
                interruptible() as check,
                _progress(check) as progress,
            ):
                run = await _run(context, gateway, mapping, dry_run, record, progress)
                brought = await import_subscribers(run)
    except NotThisAccount as error:
        raise CommandFailed(str(error)) from error
    except InvalidPrice as error:
        raise CommandFailed(f"Nothing was imported. {error}.") from error
    except Interrupted as error:
        raise CommandFailed(error.sentence(dry_run=dry_run)) from error
    except GatewayUnavailable as error:
        kept = (
            "" if dry_run else " What was imported is kept; run the command again and it goes on."
        )
        sys.stderr.write(f"{sentence(error)}{kept}\n")
        raise typer.Exit(STRIPE_AWAY) from error
    finally:
        await gateway.close()
    _tell(brought, dry_run=dry_run)


async def _run(
    context: Context, gateway: Gateway, mapping: dict[str, str], dry_run: bool,
    record: Callable[[Entry], None], progress: Callable[[Brought], None],
) -> Import:  # fmt: skip
    adoptions = await adoptions_of(context, gateway, mapping)
    return Import(
        context, gateway, adoptions, dry_run, COMMAND.label, record=record, progress=progress
    )


def _mapping(given: list[str], table: Path | None) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    for (price, _, offer), each in zip(pairs, given, strict=True):
        if not price or not offer:
            raise CommandFailed(f"--map {each}: write PRICE=OFFER, such as price_0123=off_0123.")
    found = _table(table) if table is not None else {}
    return {**found, **{price: offer for price, _, offer in pairs}}


def _table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames != _COLUMNS:
                raise CommandFailed(f"{path}: the first line must be price,offer.")
            lines = [(rows.line_num, row["price"], row["offer"], row.get(None)) for row in rows]
    except OSError as error:
        raise CommandFailed(f"{path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandFailed(f"{path} can't be read as CSV in UTF-8.") from error
    bad = [str(number) for number, price, offer, more in lines if not price or not offer or more]
    if bad:
        raise CommandFailed(
            f"{path}: line {', '.join(bad)}: write a price and an offer, such as p,o."
        )
    return {price: offer for _, price, offer, _ in lines}


@contextmanager
def _reporting(report: Path | None) -> Iterator[Callable[[Entry], None]]:
    """Something that writes entries to the report, or nowhere."""
    if report is None:
        yield lambda _: None
        return
    try:
        with report.open("w", encoding="utf-8") as file:
            yield lambda entry: print(json.dumps(entry.document(), ensure_ascii=False), file=file)
    except OSError as error:
        if error.filename is None:
            raise
        raise CommandFailed(f"{report} can't be written: {error.strerror}.") from error


@contextmanager
def _progress(check: Callable[[], None]) -> Iterator[Callable[[Brought], None]]:
    """One line on standard error that is written over, for somebody who looks at a terminal."""
    shown = sys.stderr.isatty()

    def show(at: Brought) -> None:
        check()
        if shown:
            line = (
                f"\r{at.read} subscriptions read, {at.imported} imported, {at.known} known already"
            )
            print(line, end="", file=sys.stderr, flush=True)

    yield show
    if shown:
        sys.stderr.write("\n")


def _tell(brought: Brought, *, dry_run: bool) -> None:
    verb = "would be imported" if dry_run else "imported"
    print(
        f"{number_of(brought.imported, 'subscription')} of {number_of(brought.customers, 'customer')} {verb}, with "
        f"{number_of(brought.movements, 'MRR movement')}; {brought.known} known already, "
        f"{brought.prices.total()} of other prices."
    )
    for status, count in sorted(brought.statuses.items()):
        print(f"  {status}: {count}")
    for currency, monthly in sorted(brought.mrr.items()):
        print(f"MRR of these subscriptions: {amount_text(round(monthly), currency)}")
    for kind, count, examples in brought.notes():
        print(f"\n{ABOUT[kind]} ({count})")
        for about, words in examples:
            print(f"  {about}: {words}")
        if count > len(examples):
            print(f"  … and {count - len(examples)} more: --report FILE lists all.")
    if brought.prices:
        print("  Where one of them is to open a plan, add --map PRICE=OFFER and run it again.")
    if dry_run:
        print("\nNothing was changed: run it again without --dry-run.")
