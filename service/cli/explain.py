"""`paywall explain`: why a reader may or may not read an article."""

from datetime import datetime
from typing import Annotated

import typer

from service.access.explain import Explanation
from service.access.explain import explain as explained
from service.access.explain_schemas import ExplanationOut
from service.cli.running import CommandFailed, command, failing_with, ready_context
from service.clock import in_utc
from service.content.rendering import Rendering
from service.identity.entry import ENTRY_WORDS
from service.settings import Settings

EXAMPLE = "Example: paywall explain ana@example.org harbour-bridge --at 2026-03-10T09:00"


@command
async def explain(
    reader: Annotated[
        str,
        typer.Argument(
            help="The reader's id or confirmed address, or a browser's id in the ledger (dev_…)."
        ),
    ],
    article: Annotated[str, typer.Argument(help="The article's slug.")],
    at: Annotated[
        str | None,
        typer.Option(
            help="A past instant, such as 2026-03-10T09:00; without an offset in the publication's time zone."
        ),
    ] = None,
    entry: Annotated[
        str, typer.Option(help="Where they came from: newsletter, search, social, direct or other.")
    ] = "direct",
) -> None:
    """Explain why an article is open or closed to a reader, now or at a past time."""
    settings = Settings()
    instant = _instant(at, settings)
    came_by = next((each for each in ENTRY_WORDS if each == entry), None)
    if came_by is None:
        raise CommandFailed(f"Unknown --entry {entry}. Choose one of {', '.join(ENTRY_WORDS)}.")
    async with ready_context(settings) as context:
        with failing_with():
            found = await explained(
                context,
                Rendering(),
                reader=reader,
                article=article,
                at=instant,
                sees_readers=True,
                entry=came_by,
            )
    _print(found, settings)


def _instant(text: str | None, settings: Settings) -> datetime | None:
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        return in_utc(read if read.tzinfo is not None else read.replace(tzinfo=settings.zone))
    except ValueError as error:
        raise CommandFailed(
            f"--at {text} isn't a time. Write it as 2026-03-10T09:00 or 2026-03-10T09:00Z."
        ) from error


def _print(explained: Explanation, settings: Settings) -> None:
    found = ExplanationOut.of(explained)
    at = found.at.astimezone(settings.zone).isoformat(timespec="seconds")
    print(
        f"{found.reader_id or found.device} and {found.article} ({found.title}) at {at}: {found.outcome}"
    )
    print(f"Reason: {found.reason_text}.")
    if found.level is not None:
        until = f", until {found.level.until.isoformat()}" if found.level.until else ""
        print(f"Level: {found.level.level}, set by the {found.level.source}{until}.")
    if found.meter is not None:
        resets = found.meter.resets_at.astimezone(settings.zone).isoformat(timespec="minutes")
        print(f"Meter: {found.meter.used} of {found.meter.limit} used; it resets at {resets}.")
    if explained.said is not None:
        print(explained.said.sentence)
    print("\nThe rules, in their order:")
    for step in found.trail:
        print(f"  {'→' if step.decided else ' '} {step.rule}: {step.saw}")
    if found.recorded is not None:
        row = found.recorded
        answer = "opened" if row.granted else f"wall ({row.wall})"
        said = f", saying {row.prompt}" if row.prompt is not None else ""
        at = row.at.isoformat(timespec="seconds")
        print(f"\nLast recorded: {at}, {answer}, {row.reason}{said}.")
    if found.unknown:
        print("\nNot known:")
        for sentence in found.unknown:
            print(f"  - {sentence}")
