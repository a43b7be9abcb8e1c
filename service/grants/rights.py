"""Rights to read from elsewhere: stored as their source sends them, and given to the reader whose they are."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.base import new_id
from service.db.context import Context
from service.db.tables import Right
from service.grants.grants import plan_scope
from service.grants.matching import MatchKey, plain
from service.grants.right_readers import (
    KnownReaders,
    SentRight,
    keys_of,
    known_readers,
    match_key,
)
from service.grants.right_turns import locked, take_claims, take_source
from service.grants.store import GrantTerms, put_grants
from service.identity.audit import record
from service.identity.email import email_key
from service.identity.meanwhile import check_unchanged
from service.outbox.domain_events import Happened, emit_all
from service.outbox.event_types import EventType
from service.problems import Problem

Outcome = Literal["created", "changed", "unchanged"]
BoundBy = Literal["email", "account", "name"]
_SHOWN = ("plan", "starts_at", "ends_at", "ended_at")


@dataclass(frozen=True)
class _Hashes:
    email: str | None
    account: str | None
    name: str | None
    number: str | None


class Rights:
    """Writes rights in one transaction. `readers` are those who may have what is sent.

    What changes of rows is the session's; the grants that follow, and their events, `store` writes together.
    """

    def __init__(
        self, session: AsyncSession, key: MatchKey, clocks: Clocks, readers: KnownReaders
    ) -> None:
        self._session, self._key, self._clocks, self._readers = session, key, clocks, readers
        self._grants: dict[str, GrantTerms] = {}
        self._happened: list[Happened] = []

    async def store(self) -> None:
        """Write all that was put, bound and ended; before the transaction ends."""
        await self._session.flush()
        now = self._clocks.business()
        await put_grants(self._session, "external", [*self._grants.values()], now)
        await emit_all(self._session, self._happened, now=self._clocks.wall())
        self._grants.clear()
        self._happened.clear()

    def put(self, source: str, sent: SentRight, row: Right | None) -> Outcome:
        """Take what was sent; `row` is what is there. Repeating it changes nothing."""
        now = self._clocks.business()
        hashes = self._hashes(sent)
        if row is None:
            row = Right(
                source=source, reference=sent.reference, plan=sent.plan,
                starts_at=sent.starts_at or now, ends_at=sent.ends_at, created_at=now, updated_at=now,
            )  # fmt: skip
            self._take(row, hashes)
            self._session.add(row)
            self._bind_to_known(row, sent)
            return "created"
        if self.lacks_number(row, sent):
            row.number_hash = hashes.number
        is_same = _is_same(row, sent, hashes)
        if self._is_anothers(row, hashes) or self._is_outranked(row, sent):
            self.unbind(row)
        if is_same:
            # Confirmed since, or the reader was erased: the address is looked up again.
            is_new = row.reader_id is None and self._bind_to_known(row, sent)
            return "changed" if is_new else "unchanged"
        before = payload_of(row)
        row.plan, row.ends_at, row.ended_at = sent.plan, sent.ends_at, None
        row.starts_at, row.updated_at = sent.starts_at or row.starts_at, now
        self._take(row, hashes)
        if row.reader_id is None:
            self._bind_to_known(row, sent)
        else:
            self._changed(row, before, "right.changed")
        return "changed"

    def changes(self, row: Right, sent: SentRight) -> bool:
        """Whether `put` would change what is there."""
        hashes = self._hashes(sent)
        if self.lacks_number(row, sent):
            hashes = replace(hashes, number=None)
        return (
            not _is_same(row, sent, hashes)
            or self._is_anothers(row, hashes)
            or self._is_outranked(row, sent)
            or (row.reader_id is None and self._known(row, sent) is not None)
        )

    def lacks_number(self, row: Right, sent: SentRight) -> bool:
        """Whether it was stored before numbers were: it is given its own, and that is no change."""
        hashes = self._hashes(sent)
        is_by_number = hashes.number is not None and row.account_hash == hashes.account
        return row.number_hash is None and is_by_number

    def end(self, row: Right) -> None:
        """Its source has taken it back. Repeating it changes nothing, and one whose end has passed emits nothing."""
        if row.ended_at is not None:
            return
        now, before = self._clocks.business(), payload_of(row)
        ran = not is_over(row, now)
        row.ended_at = row.updated_at = now
        if ran and row.reader_id is not None:
            self._changed(row, before, "right.ended")

    def bind(self, row: Right, reader_id: str, by: BoundBy) -> None:
        """Let the right be the reader's."""
        row.reader_id, row.bound_by, row.bound_at = reader_id, by, self._clocks.business()
        if not is_over(row, self._clocks.business()):
            self._changed(row, None, "right.started")

    def bind_by_address(self, row: Right, reader_id: str) -> None:
        """Let it be the reader's who has confirmed its address, though another had it by account or name."""
        if row.reader_id == reader_id:
            row.bound_by = "email"
            return
        self.unbind(row)
        self.bind(row, reader_id, "email")

    def unbind(self, row: Right) -> None:
        """Let it be nobody's: the reader's access by it ends now."""
        if row.reader_id is None:
            return
        if not is_over(row, self._clocks.business()):
            before = payload_of(row)
            self._give(row, until=self._clocks.business())
            self._emit(row, before, "right.ended")
        row.reader_id = row.bound_by = row.bound_at = None

    def _changed(self, row: Right, before: dict[str, object] | None, type_: EventType) -> None:
        self._give(row, until=row.ended_at)
        self._emit(row, before, type_)

    def _give(self, row: Right, *, until: datetime | None) -> None:
        ends = [each for each in (row.ends_at, until) if each is not None]
        reference = f"{row.source}/{row.reference}/{row.reader_id}"
        self._grants[reference] = GrantTerms(
            reference, row.reader_id or "", plan_scope(row.plan), row.starts_at, min(ends, default=None), row.source
        )  # fmt: skip

    def _emit(self, row: Right, before: dict[str, object] | None, type_: EventType) -> None:
        self._happened.append(
            Happened(
                type_=type_, reader_id=row.reader_id, subject_id=f"{row.source}/{row.reference}",
                once=f"{type_}:{new_id('rgt')}", occurred_at=self._clocks.business(), before=before,
                after=payload_of(row),
            )
        )  # fmt: skip

    def _bind_to_known(self, row: Right, sent: SentRight) -> bool:
        """Whether a reader has confirmed the address, or claimed it, whose the right is then."""
        found = self._known(row, sent)
        if found is None:
            return False
        self.bind(row, *found)
        return True

    def _known(self, row: Right, sent: SentRight) -> tuple[str, BoundBy] | None:
        known = self._readers
        found: dict[BoundBy, str | None] = {
            "email": self._by_address(sent),
            "account": known.by_claim.get(row.account_hash or ""),
            "name": known.by_claim.get(row.name_hash or "") if is_known_by_name(row) else None,
        }
        return next(((id_, by) for by, id_ in found.items() if id_ is not None), None)

    def _by_address(self, sent: SentRight) -> str | None:
        return self._readers.by_address.get(email_key(sent.email) or "") if sent.email else None

    def _is_outranked(self, row: Right, sent: SentRight) -> bool:
        """Whether a reader has it by account or name, and another has confirmed its address."""
        theirs = self._by_address(sent)
        return theirs not in {None, row.reader_id} and row.bound_by != "email"

    def _hashes(self, sent: SentRight) -> _Hashes:
        address = email_key(sent.email) if sent.email else None
        return _Hashes(
            self._key.email(address) if address is not None else None,
            self._key.account(sent.account_number, sent.postcode),
            self._key.name(sent.name, sent.postcode),
            self._key.number(sent.account_number) if plain(sent.account_number) else None,
        )

    def _take(self, row: Right, hashes: _Hashes) -> None:
        row.email_hash, row.account_hash, row.name_hash = hashes.email, hashes.account, hashes.name
        row.number_hash = hashes.number

    def _is_anothers(self, row: Right, hashes: _Hashes) -> bool:
        """Whether the source now says another person than the one by whom the reader was found."""
        by = {
            "email": (row.email_hash, hashes.email),
            "account": (row.account_hash, hashes.account),
            "name": (row.name_hash, hashes.name),
        }
        was, is_now = by.get(row.bound_by or "", (None, None))
        has_moved = (
            row.bound_by == "account" and hashes.account is not None
            and row.number_hash is not None and row.number_hash == hashes.number
        )  # fmt: skip
        return was != is_now and not has_moved


def _is_same(row: Right, sent: SentRight, hashes: _Hashes) -> bool:
    """Whether it is stored as it was sent."""
    return (
        row.plan == sent.plan and row.starts_at == (sent.starts_at or row.starts_at)
        and row.ends_at == sent.ends_at and row.ended_at is None
        and _Hashes(row.email_hash, row.account_hash, row.name_hash, row.number_hash) == hashes
    )  # fmt: skip


def is_known_by_name(row: Right) -> bool:
    """Whether a name may find it: the source says no address and no number, which strangers know less often."""
    return row.email_hash is None and row.account_hash is None


def is_over(row: Right, now: datetime) -> bool:
    """Whether it opens nothing any more."""
    return row.ended_at is not None or (row.ends_at is not None and row.ends_at <= now)


def payload_of(row: Right) -> dict[str, object]:
    """The right as webhooks and the audit trail have it."""
    times = {name: getattr(row, name) for name in _SHOWN if name != "plan"}
    shown = {name: at.isoformat() if at is not None else None for name, at in times.items()}
    return {"source": row.source, "reference": row.reference, "plan": row.plan, **shown}


def facts_of(row: Right) -> dict[str, object]:
    """What somebody sees of it; the address and the numbers are hashes that nobody sees."""
    shown = payload_of(row)
    return {**{name: shown[name] for name in _SHOWN}, "updated_at": row.updated_at.isoformat()}


async def _check_unchanged(
    session: AsyncSession, row: Right | None, seen: str | None, source: str, reference: str
) -> None:
    facts = facts_of(row) if row is not None else None
    await check_unchanged(
        session, facts, seen, actions=("right.put", "right.end"), target=f"{source}/{reference}",
        since=row.updated_at if row is not None else None,  # a list may have changed it since
    )  # fmt: skip


async def find_right(session: AsyncSession, source: str, reference: str) -> Right:
    """The row. Problem `not-found`."""
    row = await session.get(Right, (source, reference))
    if row is None:
        raise Problem("not-found", f"{source} has sent no right {reference}.")
    return row


async def put_right(
    session: AsyncSession,
    context: Context,
    source: str,
    sent: SentRight,
    *,
    actor: str,
    seen: str | None = None,
) -> Right:
    """Store one right as it is sent, and audit it where that changes anything. Problem `changed-meanwhile`."""
    await take_source(session, source)
    key = match_key(context.settings)
    await take_claims(session, *keys_of([sent], key))
    row = next(iter(await locked(session, source, [sent.reference])), None)
    before = payload_of(row) if row is not None else None
    await _check_unchanged(session, row, seen, source, sent.reference)
    readers = await known_readers(session, [sent], key, context.clocks.business())
    rights = Rights(session, key, context.clocks, readers)
    outcome = rights.put(source, sent, row)
    await rights.store()
    row = await find_right(session, source, sent.reference)
    if outcome != "unchanged":
        await record(
            session, actor=actor, action="right.put", target=f"{source}/{sent.reference}",
            before=before, after=payload_of(row), now=context.clocks.business(),
        )  # fmt: skip
    return row


async def end_right(
    session: AsyncSession,
    context: Context,
    source: str,
    reference: str,
    *,
    actor: str,
    seen: str | None = None,
) -> Right:
    """End a right now, and audit it; one that has ended stays as it is. Problems `not-found` and `changed-meanwhile`."""
    await take_source(session, source)
    await locked(session, source, [reference])
    row = await find_right(session, source, reference)
    await _check_unchanged(session, row, seen, source, reference)
    if row.ended_at is None:
        before = payload_of(row)
        rights = Rights(session, match_key(context.settings), context.clocks, KnownReaders())
        rights.end(row)
        await rights.store()
        await record(
            session, actor=actor, action="right.end", target=f"{source}/{reference}",
            before=before, after=payload_of(row), now=context.clocks.business(),
        )  # fmt: skip
    return row


async def give_rights_of_address(
    session: AsyncSession, context: Context, *, reader_id: str, address_key: str
) -> None:
    """Give a reader who has just confirmed the address what sources say is this address's."""
    key = match_key(context.settings)
    rights = Rights(session, key, context.clocks, KnownReaders())
    found = await session.scalars(
        select(Right)
        .where(
            Right.email_hash == key.email(address_key),
            or_(Right.reader_id.is_(None), Right.bound_by != "email"),
        )
        .order_by(Right.source, Right.reference)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in list(found):
        rights.bind_by_address(row, reader_id)
    await rights.store()
