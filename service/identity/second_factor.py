"""An operator's second factor: a one-time code, or one of ten recovery codes.

Whatever is taken is taken by a conditional UPDATE, so of any number of parallel uses one succeeds.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import Operator, OperatorRecoveryCode
from service.identity.secrets import hash_secret
from service.identity.totp import OneTimeCodes, new_one_time_codes, seal, unseal
from service.sealing import SecretUnreadable
from service.settings import Settings

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_RECOVERY = re.compile(r"[a-z2-7]{16}")

Taken = Literal["one-time-code", "recovery-code"]
log = structlog.get_logger()


def is_on(operator: Operator) -> bool:
    """Whether a second factor is asked for at sign-in."""
    return operator.totp_confirmed_at is not None


def codes_of(operator: Operator, settings: Settings) -> OneTimeCodes | None:
    """The operator's one-time codes, set up or still to be confirmed; None where there are none."""
    if operator.totp_sealed is None:
        return None
    try:
        return unseal(operator.totp_sealed, operator.id, settings)
    except SecretUnreadable:
        log.error("operator.totp_unreadable", operator=operator.id)  # noqa: TRY400 the key is told
        return None


async def take_code(
    session: AsyncSession, operator: Operator, code: str, *, now: datetime, settings: Settings
) -> Taken | None:
    """Use up a one-time code or a recovery code. None: it is wrong, or was used before.

    `now` is wall time. A one-time code of an earlier step than the last one used is refused too.
    """
    text = _spelled(code)
    if _RECOVERY.fullmatch(text):
        return "recovery-code" if await _take_recovery(session, operator, text, now) else None
    codes = codes_of(operator, settings)
    step = codes.step_of(text, now) if codes and is_on(operator) else None
    if step is None:
        return None
    changed = await _update(
        session,
        operator,
        Operator.totp_sealed == operator.totp_sealed,
        Operator.totp_confirmed_at.is_not(None),
        Operator.totp_last_step.is_(None) | (Operator.totp_last_step < step),
        values={"totp_last_step": step},
    )
    return "one-time-code" if changed else None


async def _take_recovery(
    session: AsyncSession, operator: Operator, text: str, now: datetime
) -> bool:
    done = await session.scalar(
        update(OperatorRecoveryCode)
        .where(
            OperatorRecoveryCode.code_hash == _hashed(operator.id, text),
            OperatorRecoveryCode.operator_id == operator.id,
            OperatorRecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(OperatorRecoveryCode.operator_id)
    )
    return done is not None


async def begin(session: AsyncSession, operator: Operator, settings: Settings) -> bool:
    """Store a new secret, which counts once it is confirmed. False: one is confirmed already."""
    sealed = seal(new_one_time_codes(), operator.id, settings)
    return await _update(
        session,
        operator,
        Operator.totp_confirmed_at.is_(None),
        values={"totp_sealed": sealed, "totp_last_step": None},
    )


async def confirm(
    session: AsyncSession, operator: Operator, code: str, *, now: datetime, settings: Settings
) -> bool:
    """Ask for codes of the stored secret from now on, since the app shows the right one."""
    codes = codes_of(operator, settings)
    step = codes.step_of(_spelled(code), now) if codes else None
    if step is None:
        return False
    return await _update(
        session,
        operator,
        Operator.totp_sealed == operator.totp_sealed,
        Operator.totp_confirmed_at.is_(None),
        values={"totp_confirmed_at": now, "totp_last_step": step},
    )


async def switch_off(session: AsyncSession, operator_id: str) -> None:
    """Forget the secret and the recovery codes."""
    await session.execute(
        update(Operator)
        .where(Operator.id == operator_id)
        .values(totp_sealed=None, totp_confirmed_at=None, totp_last_step=None)
    )
    await session.execute(
        delete(OperatorRecoveryCode).where(OperatorRecoveryCode.operator_id == operator_id)
    )


async def new_recovery_codes(session: AsyncSession, operator_id: str, now: datetime) -> list[str]:
    """Ten codes of 80 random bits, to be shown once; those before count no more."""
    await session.execute(
        delete(OperatorRecoveryCode).where(OperatorRecoveryCode.operator_id == operator_id)
    )
    texts = [_new_text() for _ in range(RECOVERY_CODES)]
    session.add_all(
        OperatorRecoveryCode(
            code_hash=_hashed(operator_id, text), operator_id=operator_id, created_at=now
        )
        for text in texts
    )
    await session.flush()
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


async def recovery_codes_left(session: AsyncSession, operator_id: str) -> int:
    counted = select(func.count()).where(
        OperatorRecoveryCode.operator_id == operator_id, OperatorRecoveryCode.used_at.is_(None)
    )
    return await session.scalar(counted) or 0


def _new_text() -> str:
    return base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()


def _spelled(code: str) -> str:
    """As we write it: people copy codes with blanks, hyphens or capitals."""
    return "".join(code.split()).replace("-", "").lower()


def _hashed(operator_id: str, text: str) -> str:
    return hash_secret(f"{operator_id} {text}")


async def _update(
    session: AsyncSession,
    operator: Operator,
    *conditions: ColumnElement[bool],
    values: Mapping[str, object],
) -> bool:
    """Set the values in one statement; False where the conditions don't hold any more."""
    done = await session.scalar(
        update(Operator)
        .where(Operator.id == operator.id, *conditions)
        .values(values)
        .returning(Operator.id)
    )
    return done is not None
