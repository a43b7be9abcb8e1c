"""`paywall reconcile`: whether everything that we believe of Stripe's is so."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.billing.reconcile import Finding, Progress, Report, reconcile
from service.cli.running import CommandFailed, command, ready_context
from service.cli.troubles import sentence
from service.identity.callers import COMMAND
from service.logs import configure
from service.payments.configured import gateway_of_settings
from service.payments.gateway import GatewayUnavailable
from service.settings import Settings
from service.texts import number_of

EXAMPLE = "Example: paywall reconcile --since 2026-11-01 --fix"
DIFFERENCES, STRIPE_AWAY = 1, 3


@command
async def run(
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Look for events since this day (UTC) that Stripe sent no webhook for; Stripe lists 30 days. "
            "By default since the last run with --fix.",
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Fix each difference to match Stripe.")
    ] = False,
) -> None:
    """Compare every checkout, subscription, pass and offer with Stripe, and print each difference.

    Without --fix nothing is changed. Safe to interrupt and to repeat at any time, also beside a running
    service, which does the same every night. Exit code: 0 everything agrees, 1 something differs still,
    3 Stripe is away or refuses the key.
    """
    settings = Settings()
    configure("warning", "text")  # each finished event would be a line between the differences
    gateway = gateway_of_settings(settings)
    if gateway is None:
        raise CommandFailed("Selling is off: PAYWALL_STRIPE_SECRET_KEY is not set.")
    try:
        async with ready_context(settings) as context:
            with _progress() as progress:
                report = await reconcile(
                    context, gateway,
                    started_by=COMMAND.label,
                    fix=fix, since=since.replace(tzinfo=UTC) if since else None, progress=progress,
                )  # fmt: skip
    except GatewayUnavailable as error:
        sys.stderr.write(f"{sentence(error)}\n")
        raise typer.Exit(STRIPE_AWAY) from error
    finally:
        await gateway.close()
    for finding in report.findings:
        print(_line(finding))
    print(_summary(report, fix=fix))
    if report.remaining:
        raise typer.Exit(DIFFERENCES)


def _line(finding: Finding) -> str:
    difference = finding.difference
    mended = "fixed   " if finding.mended else "differs "
    return (
        f"{mended}{difference.object}  {difference.what}: here {difference.here}, "
        f"at Stripe {difference.stripe}. {difference.reason}"
    )


def _summary(report: Report, *, fix: bool) -> str:
    mended = len(report.findings) - len(report.remaining)
    parts = [
        f"{number_of(report.compared, 'object')} compared",
        f"{number_of(report.events_missed, 'event')} without a webhook",
        f"{number_of(report.booked or 0, 'money record')} checked",
        f"{number_of(report.not_ours, 'other subscription')} on the account",
        f"{number_of(mended, 'difference')} fixed"
        if fix
        else number_of(len(report.findings), "difference"),
    ]
    left = len(report.remaining)
    ending = (
        "Everything agrees with Stripe."
        if not left
        else f"Still different: {left}. Each line says why."
        if fix
        else "Nothing was changed: --fix fixes the differences."
    )
    return f"{', '.join(parts)}. {ending}"


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """One line on standard error that is written over, for somebody who looks at a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield lambda at: print(
            f"\rEvents read: {at.events}, compared: {at.compared}, differences: {at.found}",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip
    finally:
        sys.stderr.write("\n")
