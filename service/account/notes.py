"""Notes of the staff on readers: personal data of the reader's, so exported, erased and merged with them."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.keyset import Keyset, Page
from service.db.tables import ReaderNote
from service.html.list_query import ListQuery
from service.identity.audit import Change
from service.identity.readers import find_reader, is_erased, settled_reader
from service.problems import Problem, invalid_field
from service.texts import without_signs

LONGEST_NOTE = 10_000
_NEWEST_FIRST = Keyset(ReaderNote.at, ReaderNote.id)


async def list_notes(session: AsyncSession, reader_id: str, asked: ListQuery) -> Page[ReaderNote]:
    """The newest first. Raises Problem `invalid-request` for a cursor that isn't ours."""
    theirs = select(ReaderNote).where(ReaderNote.reader_id == reader_id)
    return await _NEWEST_FIRST.page(session, theirs, cursor=asked.cursor, limit=asked.limit)


async def add_note(change: Change, reader_id: str, text: str) -> ReaderNote:
    """Keep a note, at most 10,000 characters; control characters and signs that turn its direction are left out.

    The audit log says who wrote one, and not what: it outlives the reader. Problems: `not-found` for the reader,
    `invalid-request` for the text.
    """
    text = without_signs(text).strip()
    if not 0 < len(text) <= LONGEST_NOTE:
        message = f"Nothing was kept: a note has 1 to {LONGEST_NOTE:,} characters."
        raise invalid_field("body.text", message)
    session = change.session
    reader_id = await settled_reader(session, reader_id)
    if await find_reader(session, reader_id) is None or await is_erased(session, reader_id):
        raise Problem("not-found", "Reader not found. Check the list of readers.")
    note = ReaderNote(
        id=new_id("nte"), reader_id=reader_id, author=change.actor, text=text,
        at=change.clocks.business(),
    )  # fmt: skip
    session.add(note)
    await session.flush()
    await change.record("note.add", reader_id)
    return note


async def delete_note(change: Change, reader_id: str, note_id: str) -> None:
    """Take a note away for good. Problem `not-found`: this reader has none of that id."""
    theirs = (ReaderNote.id == note_id, ReaderNote.reader_id == reader_id)
    deleted = await change.session.scalars(
        delete(ReaderNote).where(*theirs).returning(ReaderNote.id)
    )
    if deleted.one_or_none() is None:
        raise Problem("not-found", "Note not found. Reload the reader's page.")
    await change.record("note.delete", reader_id)
