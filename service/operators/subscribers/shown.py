"""A reader's page, as every form on it comes back to it."""

import secrets
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.decision import Hidden, Wall
from service.access.explain import Explanation
from service.access.reasons import operators_words
from service.account.notes import list_notes
from service.db.context import Context
from service.finance.owing import owed_by
from service.html.list_query import ListQuery
from service.identity.entry import ENTRY_WORDS
from service.identity.sessions import live_sessions
from service.operators.frame.names import names_of
from service.operators.frame.pages import page
from service.reports.history import reader_history

NOTES_SHOWN = ListQuery(limit=50)


async def reader_page(
    request: Request, session: AsyncSession, reader_id: str, context: Context, **shown: Any
) -> Response:
    """What is known of the reader. Raises Problem `not-found`."""
    history = await reader_history(session, reader_id, context.clocks.business())
    notes = await list_notes(session, history.reader_id, NOTES_SHOWN)
    devices = await live_sessions(
        session, history.reader_id, now=context.clocks.wall(), settings=context.settings
    )
    shown = {
        "notice": None,
        "refusal": None,
        "explained": None,
        "asked_article": "",
        "asked_at": "",
        "asked_entry": "direct",
        "entries": ENTRY_WORDS,
        "typed_address": "",
        **shown,
    }
    return page(
        request, "subscriber.html", history=history, notes=notes, devices=devices,
        owed=(await owed_by(session, [history.reader_id])).get(history.reader_id, []),
        names=await names_of(
            session,
            [each.author for each in notes.items],
            [each.actor for each in history.timeline if each.actor],
        ),
        key=secrets.token_urlsafe(12),  # sending the form twice gives back once
        **shown,
    )  # fmt: skip


def explained(found: Explanation) -> str:
    """In one sentence why the article is open or closed to the reader."""
    outcome = found.outcome
    if isinstance(outcome, Hidden):
        return "Closed: readers can't see the article, it isn't published."
    state = "Closed" if isinstance(outcome, Wall) else "Open"
    return f"{state}: {operators_words(outcome.reason)}."
