"""Changing operators' accounts: each change locks what it looks at, and leaves an audit row."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.tables import Operator
from service.identity.audit import record
from service.identity.callers import Actor
from service.identity.operators import (
    AddressTaken,
    create_operator,
    end_operator_sessions,
    reset_password,
)
from service.identity.passwords import ARGON2ID, AccountRefused, Passwords
from service.identity.permissions import ALL_PERMISSIONS, Permission, permissions_of_role
from service.identity.second_factor import switch_off
from service.problems import Problem, invalid_field

ADMIN = "admin"


class Accounts:
    """Changes by one actor, in one transaction.

    Only those with all permissions of an account may change it: nobody hands out, or takes away,
    what they don't have.
    """

    def __init__(
        self,
        session: AsyncSession,
        clocks: Clocks,
        *,
        actor: str,
        permissions: frozenset[Permission] = ALL_PERMISSIONS,
        own_id: str | None = None,
        passwords: Passwords = ARGON2ID,
    ) -> None:
        self.session = session
        self.clocks = clocks
        self.actor = actor
        self.permissions = permissions
        self.own_id = own_id
        self.passwords = passwords

    @classmethod
    def of(
        cls, actor: Actor, session: AsyncSession, clocks: Clocks, passwords: Passwords
    ) -> "Accounts":
        own_id = actor.id if actor.kind == "operator" else None
        return cls(
            session,
            clocks,
            actor=actor.label,
            permissions=actor.permissions,
            own_id=own_id,
            passwords=passwords,
        )

    async def create(self, *, email: str, password: str, role: str) -> Operator:
        """Make an account (slow: argon2). Problems: `invalid-request`, `operator-exists`."""
        self._check_covers(role)
        now = self.clocks.wall()
        try:
            operator = await create_operator(
                self.session,
                email=email,
                password=password,
                role=role,
                now=now,
                passwords=self.passwords,
            )
        except AddressTaken as error:
            raise Problem("operator-exists", f"{str(error).capitalize()}.") from error
        except AccountRefused as error:
            raise invalid_field("body.email", f"No account was made: {error}.") from error
        await self._record(
            "operator.create", operator, after={"email": operator.email, "role": role}
        )
        return operator

    async def change(
        self, operator_id: str, *, role: str | None = None, disabled: bool | None = None
    ) -> Operator:
        """Set role and whether the account is disabled; None leaves it.

        Disabling ends the operator's sessions. Problems: `not-found`, `forbidden`,
        `last-administrator`.
        """
        operator = await self._locked(operator_id)
        if self.own_id == operator.id:
            raise Problem(
                "forbidden",
                "Nobody changes their own role or disables themselves. Ask another administrator.",
            )
        if role is not None and role != operator.role:
            self._check_covers(role)
            await self._record(
                "operator.change-role",
                operator,
                before={"role": operator.role},
                after={"role": role},
            )
            operator.role = role
        if disabled is not None and disabled != (operator.disabled_at is not None):
            operator.disabled_at = self.clocks.wall() if disabled else None
            await self._record("operator.disable" if disabled else "operator.enable", operator)
            if disabled:
                await end_operator_sessions(self.session, operator.id)
        await self.session.flush()
        await self._check_an_admin_is_left()
        return operator

    async def reset_totp(self, operator_id: str) -> Operator:
        """Switch the second factor off for an operator who has lost it."""
        operator = await self._locked(operator_id)
        if self.own_id == operator.id:
            raise Problem(
                "forbidden",
                "Switch your own second factor off on your account's page, with a code.",
            )
        if operator.totp_sealed is not None:
            await switch_off(self.session, operator.id)
            await end_operator_sessions(self.session, operator.id)
            await self._record("operator.reset-totp", operator)
        await self.session.refresh(operator)
        return operator

    async def reset_password(self, operator_id: str, password: str) -> Operator:
        """Set a password and end all sessions (slow: argon2). AccountRefused: too short or long."""
        operator = await self._locked(operator_id)
        await reset_password(self.session, operator, password, self.passwords)
        await self._record("operator.reset-password", operator)
        return operator

    async def _locked(self, operator_id: str) -> Operator:
        # The administrators' rows are locked first, and in one order: of two changes that would
        # together leave none, the second waits and sees what the first has done.
        await self.session.execute(_admins().with_for_update())
        operator = await self.session.get(Operator, operator_id, with_for_update=True)
        if operator is None:
            raise Problem("not-found", "There is no such operator. Look the id up in the list.")
        self._check_covers(operator.role)
        return operator

    async def _check_an_admin_is_left(self) -> None:
        if await self.session.scalar(_admins().limit(1)) is None:
            raise Problem("last-administrator")

    def _check_covers(self, role: str) -> None:
        missing = sorted(permissions_of_role(role) - self.permissions)
        if missing:
            raise Problem(
                "forbidden",
                f"The role {role} includes {', '.join(missing)}, which you don't have yourself.",
            )

    async def _record(
        self,
        action: str,
        operator: Operator,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        await record(
            self.session,
            actor=self.actor,
            action=action,
            target=operator.id,
            before=before,
            after=after,
            now=self.clocks.business(),
        )


def _admins() -> Select[str]:
    """The enabled administrators, each time in the same order."""
    return (
        select(Operator.id)
        .where(Operator.role == ADMIN, Operator.disabled_at.is_(None))
        .order_by(Operator.id)
    )
