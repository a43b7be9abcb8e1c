"""Operators: accounts, the browsers they know, sessions in a cookie of their own."""

import asyncio
import re
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.in_parts import in_parts
from service.db.session import Database
from service.db.tables import Operator, OperatorDevice, OperatorSession
from service.db.upsert import insert_for
from service.identity.passwords import ARGON2ID, AccountRefused, Passwords
from service.identity.permissions import ROLES
from service.identity.secrets import hash_secret, new_secret
from service.settings import Settings

LONGEST_EMAIL = 254
_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def normalised_email(email: str) -> str:
    return email.strip().casefold()


class AddressTaken(AccountRefused):
    """An operator with this address is there already."""


async def create_operator(
    session: AsyncSession,
    *,
    email: str,
    password: str,
    role: str,
    now: datetime,
    passwords: Passwords = ARGON2ID,
) -> Operator:
    """Make an operator. AccountRefused: unknown role, short password, no address, or a taken one."""
    if role not in ROLES:
        raise AccountRefused(f"choose one of the roles {', '.join(ROLES)}")
    is_address = _ADDRESS.fullmatch(email.strip()) is not None and email.isprintable()
    if not is_address or len(email) > LONGEST_EMAIL:
        raise AccountRefused(f"{email!r} is no e-mail address")
    operator = Operator(
        id=new_id("opr"),
        email=normalised_email(email),
        # Slow by design (argon2): in a thread.
        password_hash=await asyncio.to_thread(passwords.hashed, password),
        role=role,
        created_at=now,
    )
    if await find_operator(session, email) is not None:
        raise AddressTaken(f"{operator.email} is an operator already")
    try:
        async with session.begin_nested():
            session.add(operator)
    except IntegrityError as error:  # somebody made the same account at this very moment
        raise AddressTaken(f"{operator.email} is an operator already") from error
    return operator


async def find_operator(session: AsyncSession, email: str) -> Operator | None:
    found: Operator | None = await session.scalar(
        select(Operator).where(Operator.email == normalised_email(email))
    )
    return found


async def count_operators(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Operator)) or 0


async def reset_password(
    session: AsyncSession, operator: Operator, password: str, passwords: Passwords = ARGON2ID
) -> None:
    """Set a new password and end all sessions of the operator. AccountRefused: too short or long."""
    operator.password_hash = await asyncio.to_thread(passwords.hashed, password)
    await end_operator_sessions(session, operator.id)


async def knows_device(session: AsyncSession, email: str, device: str) -> bool:
    """Whether the operator with this address has signed in before in the browser of this pseudonym."""
    found = await session.scalar(
        select(OperatorDevice.device_id)
        .join(Operator, Operator.id == OperatorDevice.operator_id)
        .where(Operator.email == normalised_email(email), OperatorDevice.device_id == device)
    )
    return found is not None


async def remember_device(
    session: AsyncSession, operator: Operator, device: str, now: datetime
) -> None:
    """Note that the operator has signed in in this browser."""
    statement = insert_for(session, OperatorDevice).values(
        operator_id=operator.id, device_id=device, seen_at=now
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["operator_id", "device_id"], set_={"seen_at": now}
        )
    )


async def open_operator_session(
    session: AsyncSession, operator: Operator, *, now: datetime, settings: Settings
) -> str:
    """Open a session and return its secret. It names the operator, which nothing else does once it is over."""
    secret = f"{operator.id}.{new_secret()}"
    session.add(
        OperatorSession(
            secret_hash=hash_secret(secret),
            operator_id=operator.id,
            expires_at=now + timedelta(hours=settings.operator_session_hours),
        )
    )
    await session.flush()
    return secret


async def operator_of_session(session: AsyncSession, secret: str, now: datetime) -> Operator | None:
    """Whose live session it is; None too where the account is disabled."""
    operator: Operator | None = await session.scalar(
        _signed_in(), {"secret_hash": hash_secret(secret), "now": now}
    )
    return operator


@cache
def _signed_in() -> Select[Operator]:
    """Built once: that takes longer than to execute it."""
    return (
        select(Operator)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(
            OperatorSession.secret_hash == bindparam("secret_hash"),
            OperatorSession.expires_at > bindparam("now"),
            Operator.disabled_at.is_(None),
        )
    )


def operator_named_in(secret: str) -> str | None:
    """Whose the secret says it is; whether it ever was a session's must be known otherwise."""
    operator_id, _, rest = secret.partition(".")
    return operator_id if rest else None


async def prune_operator_sessions(database: Database, now: datetime) -> None:
    """Delete the sessions that are over."""
    await in_parts(database, delete(OperatorSession), OperatorSession.expires_at <= now)


async def end_operator_session(session: AsyncSession, secret: str) -> None:
    await session.execute(
        delete(OperatorSession).where(OperatorSession.secret_hash == hash_secret(secret))
    )


async def end_operator_sessions(
    session: AsyncSession, operator_id: str, *, except_secret: str | None = None
) -> None:
    """End all sessions of an operator, but for the one with this secret."""
    ending = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    if except_secret is not None:
        ending = ending.where(OperatorSession.secret_hash != hash_secret(except_secret))
    await session.execute(ending)
