"""A reader's page, as every form on it comes back to it."""

import secrets
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.account.notes import list_notes
from service.db.context import Context
from service.finance.owing import owed_by
from service.html.list_query import ListQuery
from service.identity.sessions import live_sessions
from service.operators.frame.explained import Explained
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
        "explained": Explained(),
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
