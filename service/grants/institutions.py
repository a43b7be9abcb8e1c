"""Institutions: universities, libraries and firms whose members read by its contract.

A member is known by a confirmed address at one of its domains, or joins from one of its networks. Each has a grant
of their own, so that whatever knows grants knows it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Grant, Institution, Reader
from service.db.turns import take_key, take_keys
from service.grants.domains import domain_of
from service.grants.grants import plan_scope
from service.grants.networks import Address, is_in
from service.grants.store import GrantTerms, put_grant, put_grants
from service.identity.audit import record
from service.identity.meanwhile import check_unchanged
from service.identity.readers import settled_reader
from service.problems import Problem

BY_NETWORK = timedelta(days=30)
"""So long a reader who joined from a network reads anywhere; joining again from there renews it."""
_DOMAIN, _NETWORK = "domain", "network"


@dataclass(frozen=True)
class InstitutionTerms:
    """What an operator says of an institution. `ends_at` None: no end is agreed."""

    name: str
    plan: str
    domains: tuple[str, ...]
    networks: tuple[str, ...]
    ends_at: datetime | None


async def put_institution(
    session: AsyncSession,
    context: Context,
    slug: str,
    terms: InstitutionTerms,
    *,
    actor: str,
    seen: str | None = None,
) -> Institution:
    """Store it, and let its members read by it from now on; those who are none any more don't.

    Problem `changed-meanwhile` where it isn't as it was `seen` (identity/meanwhile.py).
    """
    now = context.clocks.business()
    row = (await take_institutions(session, {slug: terms})).get(slug)
    before = terms_of(row) if row is not None else None
    facts = facts_of(before) if before is not None else None
    await check_unchanged(session, facts, seen, actions=("institution.put",), target=slug)
    if before == terms and row is not None:
        return row
    if row is None:
        row = Institution(slug=slug, starts_at=now, created_at=now, version=0)
        session.add(row)
    row.name, row.plan, row.ends_at, row.updated_at = terms.name, terms.plan, terms.ends_at, now
    row.domains, row.networks = list(terms.domains), list(terms.networks)
    row.version += 1
    await session.flush()
    await _give_to_members(session, row, now)
    await record(
        session, actor=actor, action="institution.put", target=slug,
        before=facts, after=facts_of(terms), now=now,
    )  # fmt: skip
    return row


async def end_institution(
    session: AsyncSession, context: Context, slug: str, *, actor: str, seen: str | None = None
) -> Institution:
    """End its contract now; repeating changes nothing. Problems `not-found` and `changed-meanwhile`."""
    row, now = (await _locked(session, [slug])).get(slug), context.clocks.business()
    if row is None:
        raise _not_found(slug)
    if row.ends_at is not None and row.ends_at <= now:
        return row
    terms = terms_of(row)
    ended = InstitutionTerms(terms.name, terms.plan, terms.domains, terms.networks, now)
    return await put_institution(session, context, slug, ended, actor=actor, seen=seen)


async def find_institution(session: AsyncSession, slug: str) -> Institution:
    """The row. Problem `not-found`."""
    row = await session.get(Institution, slug)
    if row is None:
        raise _not_found(slug)
    return row


async def take_institutions(
    session: AsyncSession, agreeing: Mapping[str, InstitutionTerms]
) -> dict[str, Institution]:
    """Those of them that are stored, as they are now: nobody else changes one until the transaction ends.

    Readers who confirm an address at one of their domains wait, and see the contract then, or are seen now. A
    transaction that puts several takes them together first, in one order, so that two never wait for each other.
    """
    found = await _locked(session, agreeing)
    agreed = [*agreeing.values(), *map(terms_of, found.values())]
    await take_keys(session, [_turn_of_domain(each) for terms in agreed for each in terms.domains])
    return found


async def _locked(session: AsyncSession, slugs: Collection[str]) -> dict[str, Institution]:
    await take_keys(session, [f"institution:{slug}" for slug in slugs])
    found = {}
    for slug in sorted(slugs):
        row = await session.get(Institution, slug, with_for_update=True, populate_existing=True)
        if row is not None:
            found[slug] = row
    return found


def _not_found(slug: str) -> Problem:
    return Problem("not-found", f"There is no institution {slug}.")


async def give_by_domain(
    session: AsyncSession,
    context: Context,
    *,
    reader_id: str,
    address_key: str,
    former_key: str | None = None,
) -> None:
    """Give a reader who has just confirmed the address what the domain's institutions agreed, and that alone.

    `former_key` is the address that they had until now: its domain's institutions don't count them any more.
    """
    now, domain = context.clocks.business(), domain_of(address_key)
    for each in sorted({domain, domain_of(former_key or address_key)}):
        await take_key(session, _turn_of_domain(each), shared=True)
    rows = list(await session.scalars(_live(now)))
    theirs = {each.slug: each for each in rows if domain in each.domains}
    for row in theirs.values():
        await _give(session, row, reader_id, _DOMAIN, row.ends_at, now)
    held = await session.scalars(
        select(Grant).where(
            Grant.reader_id == reader_id, Grant.source == "institution", Grant.note == _DOMAIN,
            or_(Grant.ends_at.is_(None), Grant.ends_at > now),
        )
    )  # fmt: skip
    for grant in list(held):
        if grant.reference.partition("/")[0] not in theirs:
            await _end(session, grant, now)


async def join_by_network(
    session: AsyncSession, context: Context, *, reader_id: str, address: Address | None
) -> tuple[Institution, datetime]:
    """Let a reader who is in an institution's network read by it for a time; until when.

    Problem `not-found` where the address is in none.
    """
    now = context.clocks.business()
    reader_id = await settled_reader(session, reader_id)
    rows = await session.scalars(_live(now))
    slug = next((each.slug for each in rows if is_in(address, each.networks)), None)
    # Until the transaction ends nobody changes what is agreed.
    row: Institution | None = await session.scalar(
        _live(now)
        .where(Institution.slug == slug)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    if row is None or not is_in(address, row.networks):
        raise Problem(
            "not-found",
            "You aren't in the network of an institution that subscribes. Try it from there, or ask its library.",
        )
    until = min(now + BY_NETWORK, row.ends_at or now + BY_NETWORK)
    member = await session.scalar(
        select(Grant).where(
            Grant.source == "institution", Grant.reference == _reference(row, reader_id)
        )
    )
    if member is not None and member.note == _DOMAIN and member.ends_at == row.ends_at:
        return row, row.ends_at or until
    await _give(session, row, reader_id, _NETWORK, until, now)
    return row, until


def terms_of(row: Institution) -> InstitutionTerms:
    """What is agreed with it."""
    return InstitutionTerms(
        row.name, row.plan, tuple(row.domains), tuple(row.networks), row.ends_at
    )


async def _give_to_members(session: AsyncSession, row: Institution, now: datetime) -> None:
    """All at once: who confirms an address at one of the domains waits until the transaction ends."""
    names = (getattr(Grant, name) for name in GrantTerms._fields)
    found = await session.execute(
        select(*names).where(
            Grant.source == "institution", Grant.reference.startswith(f"{row.slug}/", autoescape=True)
        )
    )  # fmt: skip
    # By reference: a merged reader's grants keep theirs, so that an account may have several.
    held = {each.reference: GrantTerms._make(each) for each in found}
    members: set[str] = set()
    for domain in row.domains:
        ending = f"@{domain}"
        readers = await session.scalars(
            select(Reader.id).where(Reader.verified_key.endswith(ending, autoescape=True))
        )
        members |= set(readers)
    wanted = {_reference(row, each): _terms(row, each, _DOMAIN, row.ends_at) for each in members}
    for grant in held.values():
        if grant.reference not in wanted and (grant.ends_at is None or grant.ends_at > now):
            wanted[grant.reference] = _of_guest(row, grant, now)
    changing = [
        each
        for reference, each in sorted(wanted.items())
        if reference not in held or each != held[reference]._replace(reader_id=each.reader_id)
    ]
    await put_grants(session, "institution", changing, now)


def _of_guest(row: Institution, grant: GrantTerms, now: datetime) -> GrantTerms:
    """What the live grant of a reader says who has no address at its domains (any more)."""
    if grant.note != _NETWORK or not row.networks:
        return grant._replace(ends_at=now)
    ends = [each for each in (grant.ends_at, row.ends_at) if each is not None]
    return _terms(row, grant.reader_id, _NETWORK, min(ends, default=None))._replace(
        reference=grant.reference
    )


def _reference(row: Institution, reader_id: str) -> str:
    return f"{row.slug}/{reader_id}"


def _turn_of_domain(domain: str) -> str:
    return f"domain:{domain}"


def _terms(row: Institution, reader_id: str, by: str, ends_at: datetime | None) -> GrantTerms:
    scope = plan_scope(row.plan)
    return GrantTerms(_reference(row, reader_id), reader_id, scope, row.starts_at, ends_at, by)


async def _give(
    session: AsyncSession, row: Institution, reader_id: str, by: str, ends_at: datetime | None,
    now: datetime,
) -> None:  # fmt: skip
    await put_grant(
        session, source="institution", **_terms(row, reader_id, by, ends_at)._asdict(), now=now
    )


async def _end(session: AsyncSession, grant: Grant, now: datetime) -> None:
    await put_grant(
        session, source="institution", reference=grant.reference, reader_id=grant.reader_id,
        scope=grant.scope, starts_at=grant.starts_at, ends_at=now, note=grant.note, now=now,
    )  # fmt: skip


def _live(now: datetime):  # type: ignore[no-untyped-def]  # noqa: ANN202 a statement
    running = or_(Institution.ends_at.is_(None), Institution.ends_at > now)
    return select(Institution).where(running).order_by(Institution.slug)


def facts_of(terms: InstitutionTerms) -> dict[str, object]:
    """What is agreed, as the audit log has it."""
    return {
        "name": terms.name, "plan": terms.plan, "domains": list(terms.domains),
        "networks": list(terms.networks),
        "ends_at": terms.ends_at.isoformat() if terms.ends_at is not None else None,
    }  # fmt: skip
