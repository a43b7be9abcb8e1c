"""Changing operators' accounts: each change locks what it looks at, and leaves an audit row."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext, Context
from service.db.tables import Operator
from service.identity.audit import Change, change_by
from service.identity.callers import Actor
from service.identity.meanwhile import check_unchanged
from service.identity.operators import (
    AddressTaken,
    create_operator,
    end_operator_sessions,
    reset_password,
)
from service.identity.passwords import AccountRefused, AppPasswords, Passwords
from service.identity.permissions import permissions_of_role
from service.identity.second_factor import is_on, switch_off
from service.problems import Problem, invalid_field

ADMIN = "admin"


@dataclass(frozen=True)
class Accounts:
    """Changes, each in a transaction of its own.

    Only an actor with all permissions of an account may change it: nobody hands out, or takes away,
    what they don't have.
    """

    context: Context
    passwords: Passwords

    async def create(self, actor: Actor, *, email: str, password: str, role: str) -> Operator:
        """Make an account (slow: argon2). Problems: `invalid-request`, `operator-exists`."""
        _check_covers(actor, role)
        async with change_by(self.context, actor.label) as change:
            try:
                operator = await create_operator(
                    change.session, email=email, password=password, role=role,
                    now=change.clocks.wall(), passwords=self.passwords,
                )  # fmt: skip
            except AddressTaken as error:
                raise Problem("operator-exists", f"{str(error).capitalize()}.") from error
            except AccountRefused as error:
                raise invalid_field(
                    "body.email", f"The account wasn't created: {error}."
                ) from error
            shown = {"email": operator.email, "role": role}
            await change.record("operator.create", operator.id, after=shown)
        return operator

    async def change(
        self,
        actor: Actor,
        operator_id: str,
        *,
        role: str | None = None,
        disabled: bool | None = None,
        totp: Literal[False] | None = None,
        seen: str | None = None,
    ) -> Operator:
        """Set the role, and whether the account is disabled; None leaves it. `totp` False switches
        the second factor off for an operator who has lost it.

        The last two end the operator's sessions. Problems: `not-found`, `forbidden`,
        `last-administrator`, `changed-meanwhile`.
        """
        async with change_by(self.context, actor.label) as change:
            operator = await _locked(change.session, actor, operator_id)
            _check_somebody_else(actor, operator, totp=totp)
            await check_unchanged(
                change.session, facts_of(operator), seen, actions=_CHANGING, target=operator_id
            )
            if totp is False and operator.totp_sealed is not None:
                await _switch_totp_off(change, operator)
            if role is not None and role != operator.role:
                _check_covers(actor, role)
                await _set_role(change, operator, role)
            if disabled is not None and disabled != (operator.disabled_at is not None):
                await _set_disabled(change, operator, disabled=disabled)
            await change.session.flush()
            if role is not None or disabled is not None:
                await _check_an_admin_is_left(change.session)
            await change.session.refresh(operator)
        return operator

    async def reset_password(self, actor: Actor, operator_id: str, password: str) -> None:
        """Set a password and end all sessions (slow: argon2). AccountRefused: too short or long."""
        async with change_by(self.context, actor.label) as change:
            operator = await _locked(change.session, actor, operator_id)
            await reset_password(change.session, operator, password, self.passwords)
            await change.record("operator.reset-password", operator.id)


_CHANGING = (
    "operator.change-role", "operator.disable", "operator.enable", "operator.reset-totp",
    "operator.switch-totp-on", "operator.switch-totp-off",
)  # fmt: skip
"""Actions that change what `facts_of` has; an account's holder does the last two."""


async def accounts_of(context: AppContext, passwords: AppPasswords) -> Accounts:
    return Accounts(context, passwords)


AppAccounts = Annotated[Accounts, Depends(accounts_of)]


def facts_of(operator: Operator) -> dict[str, object]:
    """What other operators can change of an account."""
    return {
        "role": operator.role, "disabled": operator.disabled_at is not None,
        "totp": is_on(operator),
    }  # fmt: skip


async def _switch_totp_off(change: Change, operator: Operator) -> None:
    await switch_off(change.session, operator.id)
    await end_operator_sessions(change.session, operator.id)
    await change.record("operator.reset-totp", operator.id)


async def _set_role(change: Change, operator: Operator, role: str) -> None:
    await change.record(
        "operator.change-role", operator.id, before={"role": operator.role}, after={"role": role}
    )
    operator.role = role


async def _set_disabled(change: Change, operator: Operator, *, disabled: bool) -> None:
    operator.disabled_at = change.clocks.wall() if disabled else None
    await change.record("operator.disable" if disabled else "operator.enable", operator.id)
    if disabled:
        await end_operator_sessions(change.session, operator.id)


async def _locked(session: AsyncSession, actor: Actor, operator_id: str) -> Operator:
    # The administrators' rows are locked first, and in one order: of two changes that would
    # together leave none, the second waits and sees what the first has done.
    await session.execute(_admins().with_for_update())
    operator = await session.get(
        Operator, operator_id, with_for_update=True, populate_existing=True
    )
    if operator is None:
        raise Problem("not-found", "Operator not found. Check the id in the list.")
    _check_covers(actor, operator.role)
    return operator


def _check_somebody_else(actor: Actor, operator: Operator, *, totp: Literal[False] | None) -> None:
    if actor.kind != "operator" or actor.id != operator.id:
        return
    if totp is False:
        raise Problem("forbidden", "Turn off your own two-step verification on your account page.")
    raise Problem(
        "forbidden",
        "You can't change your own role or disable your own account. Ask another administrator.",
    )


async def _check_an_admin_is_left(session: AsyncSession) -> None:
    if await session.scalar(_admins().limit(1)) is None:
        raise Problem("last-administrator")


def _check_covers(actor: Actor, role: str) -> None:
    missing = sorted(permissions_of_role(role) - actor.permissions)
    if missing:
        raise Problem(
            "forbidden",
            f"The role {role} includes {', '.join(missing)}, which you don't have.",
        )


def _admins() -> Select[str]:
    """The enabled administrators, each time in the same order."""
    return (
        select(Operator.id)
        .where(Operator.role == ADMIN, Operator.disabled_at.is_(None))
        .order_by(Operator.id)
    )
