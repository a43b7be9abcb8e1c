"""Lists for administrators and of what runs by itself. Each page goes on from a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.inbox import JOB as EVENT_JOB
from service.db.tables import (
    ApiKey,
    AuditEntry,
    InboxEvent,
    Job,
    Operator,
    Reconciliation,
    WebhookDelivery,
)
from service.problems import Problem
from service.tokens.key_pairs import decode_base64url, encode_base64url

Row = TypeVar("Row", Operator, ApiKey, AuditEntry, WebhookDelivery, InboxEvent, Job, Reconciliation)
LARGEST_ID = 2**63 - 1
LONGEST_NAME = 40


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor of what follows (None: nothing)."""

    items: Sequence[Row]
    next_cursor: str | None


async def list_operators(
    session: AsyncSession, *, cursor: str | None, limit: int
) -> Page[Operator]:
    """All operators by address. Problem `invalid-request`: a cursor that isn't ours."""
    statement = select(Operator).order_by(Operator.email)
    if cursor is not None:
        last = await session.get(Operator, _id_in(cursor))
        statement = statement.where(Operator.email > _known(last).email)
    return await _page(session, statement, limit)


async def list_api_keys(session: AsyncSession, *, cursor: str | None, limit: int) -> Page[ApiKey]:
    """All keys, the newest first. Problem `invalid-request`: a cursor that isn't ours."""
    place = (ApiKey.created_at, ApiKey.prefix)
    statement = select(ApiKey).order_by(*(column.desc() for column in place))
    if cursor is not None:
        last = _known(await session.get(ApiKey, _id_in(cursor)))
        statement = statement.where(tuple_(*place) < tuple_(last.created_at, last.prefix))
    return await _page(session, statement, limit)


async def list_audit(
    session: AsyncSession,
    *,
    actor: str = "",
    target: str = "",
    cursor: str | None,
    limit: int,
) -> Page[AuditEntry]:
    """Who changed what, the newest first; `actor` and `target` are whole ones, or empty for any.

    Problem `invalid-request`: a cursor that isn't ours.
    """
    statement = select(AuditEntry).order_by(AuditEntry.id.desc())
    if actor:
        statement = statement.where(AuditEntry.actor == actor)
    if target:
        statement = statement.where(AuditEntry.target == target)
    if cursor is not None:
        last = _id_in(cursor)
        if not (last.isascii() and last.isdigit()) or int(last) > LARGEST_ID:
            raise _no_cursor()
        statement = statement.where(AuditEntry.id < int(last))
    return await _page(session, statement, limit)


async def list_deliveries(
    session: AsyncSession, endpoint_id: str, *, status: str = "", cursor: str | None, limit: int
) -> Page[WebhookDelivery]:
    """What was or is to be sent to the endpoint, the newest first; `status` empty for any.

    Problem `invalid-request`: a cursor that isn't ours.
    """
    place = (WebhookDelivery.created_at, WebhookDelivery.id)
    statement = (
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .order_by(*(column.desc() for column in place))
    )
    if status:
        statement = statement.where(WebhookDelivery.status == status)
    if cursor is not None:
        last = _known(await session.get(WebhookDelivery, _id_in(cursor)))
        statement = statement.where(tuple_(*place) < tuple_(last.created_at, last.id))
    return await _page(session, statement, limit)


async def list_events(
    session: AsyncSession, *, held: bool = False, cursor: str | None, limit: int
) -> Page[InboxEvent]:
    """Stripe's events in the order in which we were told of them, the newest first; `held`: those
    alone that aren't applied.

    Problem `invalid-request`: a cursor that isn't ours.
    """
    place = (InboxEvent.received_at, InboxEvent.id)
    statement = select(InboxEvent).order_by(*(column.desc() for column in place))
    if held:
        open_jobs = select(Job.key).where(Job.kind == EVENT_JOB, Job.status != "done")
        statement = statement.where(InboxEvent.id.in_(open_jobs))
    if cursor is not None:
        last = _known(await session.get(InboxEvent, _id_in(cursor)))
        statement = statement.where(tuple_(*place) < tuple_(last.received_at, last.id))
    return await _page(session, statement, limit)


async def list_jobs(
    session: AsyncSession,
    *,
    kind: str = "",
    status: str = "",
    cursor: str | None,
    limit: int,
) -> Page[Job]:
    """Jobs, the newest first; `kind` and `status` empty for any.

    Problem `invalid-request`: a cursor that isn't ours.
    """
    place = (Job.created_at, Job.id)
    statement = select(Job).order_by(*(column.desc() for column in place))
    if kind:
        statement = statement.where(Job.kind == kind)
    if status:
        statement = statement.where(Job.status == status)
    if cursor is not None:
        last = _known(await session.get(Job, _id_in(cursor)))
        statement = statement.where(tuple_(*place) < tuple_(last.created_at, last.id))
    return await _page(session, statement, limit)


async def list_reconciliations(
    session: AsyncSession, *, cursor: str | None, limit: int
) -> Page[Reconciliation]:
    """Comparisons with Stripe, the newest first. Problem `invalid-request`: a cursor that isn't ours."""
    place = (Reconciliation.started_at, Reconciliation.id)
    statement = select(Reconciliation).order_by(*(column.desc() for column in place))
    if cursor is not None:
        last = _known(await session.get(Reconciliation, _id_in(cursor)))
        statement = statement.where(tuple_(*place) < tuple_(last.started_at, last.id))
    return await _page(session, statement, limit)


async def _page(session: AsyncSession, statement: Select[Row], limit: int) -> Page[Row]:
    found = list(await session.scalars(statement.limit(limit + 1)))
    items = found[:limit]
    return Page(items, _cursor_of(items[-1]) if len(found) > limit else None)


def _cursor_of(row: Row) -> str:
    name = row.prefix if isinstance(row, ApiKey) else str(row.id)
    return encode_base64url(name.encode())


def _id_in(cursor: str) -> str:
    try:
        name = decode_base64url(cursor).decode("ascii")
    except ValueError as error:
        raise _no_cursor() from error
    if not name or not name.replace("_", "").isalnum() or len(name) > LONGEST_NAME:
        raise _no_cursor()
    return name


def _known(row: Row | None) -> Row:
    if row is None:
        raise _no_cursor()
    return row


def _no_cursor() -> Problem:
    message = "Take the cursor from next_cursor unchanged, or leave it away for the first page."
    return Problem(
        "invalid-request", message, errors=[{"field": "query.cursor", "message": message}]
    )
