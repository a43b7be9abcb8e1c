"""Operators: e-mail and password (argon2id), sessions in a cookie of their own."""

from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.base import new_id
from service.db.tables import Operator, OperatorSession
from service.identity.permissions import ROLES
from service.identity.secrets import hash_secret, new_secret
from service.settings import Settings

MINIMUM_PASSWORD_LENGTH = 12
_hasher = PasswordHasher()
# Checked when the address is unknown, so that the answer takes as long as for a known one.
_NOBODY = _hasher.hash(new_secret())


def normalised_email(email: str) -> str:
    return email.strip().casefold()


async def create_operator(
    session: AsyncSession, *, email: str, password: str, role: str, now: datetime
) -> Operator:
    """Make an operator. ValueError, as a sentence: unknown role, short password, known address."""
    if role not in ROLES:
        raise ValueError(f"unknown role {role}; roles: {', '.join(ROLES)}")
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    if await find_operator(session, email) is not None:
        raise ValueError(f"{email} is an operator already; use operators reset-password")
    operator = Operator(
        id=new_id("opr"),
        email=normalised_email(email),
        password_hash=hashed_password(password),
        role=role,
        created_at=now,
    )
    session.add(operator)
    await session.flush()
    return operator


def hashed_password(password: str) -> str:
    """The argon2id hash. ValueError when the password is too short."""
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        raise ValueError(f"the password needs at least {MINIMUM_PASSWORD_LENGTH} characters")
    return _hasher.hash(password)


async def find_operator(session: AsyncSession, email: str) -> Operator | None:
    found: Operator | None = await session.scalar(
        select(Operator).where(Operator.email == normalised_email(email))
    )
    return found


async def count_operators(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Operator)) or 0


async def reset_password(session: AsyncSession, operator: Operator, password: str) -> None:
    """Set a new password and end all sessions of the operator."""
    operator.password_hash = hashed_password(password)
    await session.execute(delete(OperatorSession).where(OperatorSession.operator_id == operator.id))


def password_matches(operator: Operator | None, password: str) -> bool:
    """Whether the password is right; takes as long for nobody as for somebody (slow: argon2)."""
    try:
        return _hasher.verify(operator.password_hash if operator else _NOBODY, password) and bool(
            operator
        )
    except (VerifyMismatchError, InvalidHashError):
        return False


async def open_operator_session(
    session: AsyncSession, operator: Operator, *, now: datetime, settings: Settings
) -> str:
    """Open a session and return its secret."""
    secret = new_secret()
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
    found = await session.get(OperatorSession, hash_secret(secret))
    if found is None or found.expires_at <= now:
        return None
    return await session.get(Operator, found.operator_id)


async def end_operator_session(session: AsyncSession, secret: str) -> None:
    await session.execute(
        delete(OperatorSession).where(OperatorSession.secret_hash == hash_secret(secret))
    )
