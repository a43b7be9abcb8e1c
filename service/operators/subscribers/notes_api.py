"""Notes on a reader, and their devices, over the API."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, Field

from service.account.notes import LONGEST_NOTE, add_note, delete_note, list_notes
from service.bodies import Body, ListOut
from service.db.context import AppContext
from service.db.session import ReportSession
from service.db.tables import ReaderNote, ReaderSession
from service.html.list_query import AnyPage
from service.identity.audit import change_by
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.identity.sessions import live_sessions
from service.operators.subscribers.devices import end_device
from service.reports.schemas import Storable

router = APIRouter(prefix="/subscribers/{reader_id}", tags=["operators"])

ReadsSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_READ))]
ChangesSubscribers = Annotated[Actor, Depends(requires(Permission.SUBSCRIBERS_WRITE))]
ReaderId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
Id = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]


class NoteIn(Body):
    """A note on the reader, who gets it with an export of their data."""

    text: Annotated[str, Storable, Field(min_length=1, max_length=2 * LONGEST_NOTE)]
    """At most 10,000 characters once control characters are left out."""


class NoteOut(BaseModel):
    """`author` as in the audit log."""

    id: str
    author: str
    text: str
    at: AwareDatetime

    @classmethod
    def of(cls, note: ReaderNote) -> Self:
        return cls.model_validate(note, from_attributes=True)


class NoteList(ListOut[NoteOut]):
    """Notes, the newest first."""


class DeviceOut(BaseModel):
    """A signed-in device of the reader's. `label` is what its browser says it is."""

    id: str
    kind: str
    label: str
    created_at: AwareDatetime
    used_at: AwareDatetime

    @classmethod
    def of(cls, row: ReaderSession) -> Self:
        return cls.model_validate(row, from_attributes=True)


class DeviceList(BaseModel):
    """The device used last first; a reader has few."""

    items: list[DeviceOut]


@router.get("/notes", summary="List the notes on a reader")
async def read_notes(
    reader_id: ReaderId, asked: AnyPage, _: ReadsSubscribers, session: ReportSession
) -> NoteList:
    """What the staff wrote about the reader, the newest first. Needs the permission subscribers:read."""
    return NoteList.of((await list_notes(session, reader_id, asked)).map(NoteOut.of))


@router.post("/notes", status_code=201, summary="Write a note on a reader")
async def send_note(
    reader_id: ReaderId, body: NoteIn, actor: ChangesSubscribers, context: AppContext
) -> NoteOut:
    """Control characters and signs that turn the direction of writing are left out.

    Needs the permission subscribers:write.
    """
    async with change_by(context, actor.label) as change:
        return NoteOut.of(await add_note(change, reader_id, body.text))


@router.delete("/notes/{note_id}", status_code=204, summary="Delete a note")
async def remove_note(
    reader_id: ReaderId, note_id: Id, actor: ChangesSubscribers, context: AppContext
) -> None:
    """Take the note away for good. Needs the permission subscribers:write."""
    async with change_by(context, actor.label) as change:
        await delete_note(change, reader_id, note_id)


@router.get("/sessions", summary="List a reader's devices")
async def read_sessions(
    reader_id: ReaderId, _: ReadsSubscribers, session: ReportSession, context: AppContext
) -> DeviceList:
    """Where the reader is signed in. Needs the permission subscribers:read."""
    found = await live_sessions(
        session, reader_id, now=context.clocks.wall(), settings=context.settings
    )
    return DeviceList(items=[DeviceOut.of(each) for each in found])


@router.delete("/sessions/{session_id}", status_code=204, summary="End a reader's device")
async def remove_session(
    reader_id: ReaderId, session_id: Id, actor: ChangesSubscribers, context: AppContext
) -> None:
    """Sign the device out, within a minute everywhere. Needs the permission subscribers:write."""
    async with change_by(context, actor.label) as change:
        await end_device(change, reader_id, session_id, context.settings)
