"""An operator's own account: password, second factor, recovery codes.

Whatever proves who sits there (the present password, a code) is counted like an attempt to sign in:
a session left open somewhere is no way to guess them. One that was right is uncounted, and the wrong
ones before it stay: who knows the password could otherwise clear the count of wrong codes by it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import segno
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Operator
from service.identity import second_factor
from service.identity.audit import record
from service.identity.operators import (
    end_operator_sessions,
)
from service.identity.passwords import LONGEST_PASSWORD, AccountRefused, Passwords
from service.operators.sign_in.guessing import AttemptSource, Guess, TooMany, begin_guess, take_back
from service.operators.sign_in.steps import FormRefused
from service.problems import Problem

_Changed = TypeVar("_Changed")

NOT_THE_PRESENT_ONE = "This isn't your current password."
WRONG_CODE = "Incorrect or used code. Wait for the next one in your authenticator app."
NOT_SET_UP = "Start the set-up first."


@dataclass(frozen=True)
class Done:
    """It is done."""


@dataclass(frozen=True)
class RecoveryCodes:
    """It is done, and these are shown once."""

    texts: list[str]


@dataclass(frozen=True)
class Pairing:
    """What an authenticator app takes: the secret in words, as an address, and as an image."""

    secret: str
    address: str
    image: str
    """A `data:` address of an SVG."""


class OwnAccount:
    """The account of the operator who is signed in with this session."""

    def __init__(
        self,
        context: Context,
        passwords: Passwords,
        *,
        operator_id: str,
        secret: str,
        source: AttemptSource,
    ) -> None:
        self.context = context
        self.passwords = passwords
        self.operator_id = operator_id
        self.secret = secret
        self.source = source

    async def change_password(self, *, present: str, new: str) -> Done | FormRefused | TooMany:
        """Set another password and end the operator's other sessions."""
        try:
            hashed = await asyncio.to_thread(self.passwords.hashed, new)
        except AccountRefused as error:
            return FormRefused(f"Nothing was changed: {error}.")
        attempt = await self._prove_password(present)
        if not isinstance(attempt, _Attempt):
            return attempt
        async with self.context.database.transaction() as session:
            operator = await self._locked(session, attempt.operator)
            operator.password_hash = hashed
            await self._settled(session, attempt.guess, "operator.change-password")
        return Done()

    async def choose_weekly_mail(self, *, wanted: bool) -> None:
        """Get the weekly mail, or get it no more."""
        async with self.context.database.transaction() as session:
            operator = await session.get_one(
                Operator, self.operator_id, with_for_update=True, populate_existing=True
            )
            before, operator.weekly_mail = operator.weekly_mail, wanted
            await session.flush()
            if before != wanted:
                await record(
                    session, actor=f"operator:{operator.id}", action="operator.weekly-mail",
                    target=operator.id, before={"wanted": before}, after={"wanted": wanted},
                    now=self.context.clocks.business(),
                )  # fmt: skip

    async def begin_totp(self, *, present: str) -> Done | FormRefused | TooMany:
        """Make a secret to be confirmed; one that is confirmed stays."""
        attempt = await self._prove_password(present)
        if not isinstance(attempt, _Attempt):
            return attempt
        async with self.context.database.transaction() as session:
            operator = await self._locked(session, attempt.operator)
            await take_back(session, attempt.guess)
            if not await second_factor.begin(session, operator, self.context.settings):
                return FormRefused(
                    "Two-step verification is already on. Turn it off to set it up again."
                )
        return Done()

    async def pairing(self) -> Pairing | None:
        """What the app needs while the secret isn't confirmed; None before and afterwards."""
        async with self.context.database.reading() as session:
            operator = await session.get(Operator, self.operator_id)
        if operator is None or second_factor.is_on(operator):
            return None
        codes = second_factor.codes_of(operator, self.context.settings)
        if codes is None:
            return None
        address = codes.address(operator.email, self.context.settings.publication_name)
        # Its own white ground: a dark page would make of it what cameras don't read.
        image = segno.make(address, error="m", micro=False).svg_data_uri(
            scale=5, border=4, light="#fff"
        )
        return Pairing(codes.in_words(), address, image)

    async def confirm_totp(self, *, code: str) -> RecoveryCodes | FormRefused | TooMany:
        """Ask for codes from now on; the other sessions end, which were opened without one."""
        attempt = await self._begin()
        if not isinstance(attempt, _Attempt):
            return attempt
        now = self.context.clocks.wall()
        async with self.context.database.transaction() as session:
            operator = await self._locked(session, attempt.operator)
            if operator.totp_sealed is None or second_factor.is_on(operator):
                await take_back(session, attempt.guess)
                return FormRefused(NOT_SET_UP)
            if not await second_factor.confirm(
                session, operator, code, now=now, settings=self.context.settings
            ):
                return FormRefused(WRONG_CODE)
            texts = await second_factor.new_recovery_codes(session, operator.id, now)
            await self._settled(session, attempt.guess, "operator.switch-totp-on")
        return RecoveryCodes(texts)

    async def renew_recovery_codes(self, *, code: str) -> RecoveryCodes | FormRefused | TooMany:
        """Ten new ones; the old ones count no more."""

        async def change(session: AsyncSession, operator: Operator) -> RecoveryCodes:
            now = self.context.clocks.wall()
            return RecoveryCodes(await second_factor.new_recovery_codes(session, operator.id, now))

        return await self._by_code(code, "operator.renew-recovery-codes", change)

    async def switch_totp_off(self, *, code: str) -> Done | FormRefused | TooMany:
        """Ask for the password alone from now on."""

        async def change(session: AsyncSession, operator: Operator) -> Done:
            await second_factor.switch_off(session, operator.id)
            return Done()

        return await self._by_code(code, "operator.switch-totp-off", change)

    async def _by_code(
        self,
        code: str,
        action: str,
        change: Callable[[AsyncSession, Operator], Awaitable[_Changed]],
    ) -> _Changed | FormRefused | TooMany:
        """What `change` answers, where the code is right; the other sessions go on."""
        attempt = await self._begin()
        if not isinstance(attempt, _Attempt):
            return attempt
        now = self.context.clocks.wall()
        async with self.context.database.transaction() as session:
            operator = await self._locked(session, attempt.operator)
            if not await second_factor.take_code(
                session, operator, code, now=now, settings=self.context.settings
            ):
                return FormRefused(WRONG_CODE)
            changed = await change(session, operator)
            await self._settled(session, attempt.guess, action, ends_others=False)
        return changed

    async def _begin(self) -> "_Attempt | TooMany":
        """Count an attempt, of which it isn't known yet whether it is right."""
        async with self.context.database.reading() as session:
            operator = await session.get(Operator, self.operator_id)
        if operator is None:
            raise Problem("not-found")
        guess = await begin_guess(
            self.context.database,
            operator.email,
            self.source,
            settings=self.context.settings,
            now=self.context.clocks.wall(),
        )
        return guess if isinstance(guess, TooMany) else _Attempt(operator, guess)

    async def _prove_password(self, present: str) -> "_Attempt | FormRefused | TooMany":
        attempt = await self._begin()
        if isinstance(attempt, TooMany):
            return attempt
        if len(present) > LONGEST_PASSWORD or not await asyncio.to_thread(
            self.passwords.match, attempt.operator.password_hash, present
        ):
            return FormRefused(NOT_THE_PRESENT_ONE)
        return attempt

    async def _locked(self, session: AsyncSession, seen: Operator) -> Operator:
        operator = await session.get(
            Operator, seen.id, with_for_update=True, populate_existing=True
        )
        if operator is None or operator.password_hash != seen.password_hash:
            raise Problem("invalid-form", "The account has changed meanwhile. Sign in again.")
        return operator

    async def _settled(
        self,
        session: AsyncSession,
        guess: Guess,
        action: str,
        *,
        ends_others: bool = True,
    ) -> None:
        await take_back(session, guess)
        if ends_others:
            await end_operator_sessions(session, self.operator_id, except_secret=self.secret)
        await record(
            session,
            actor=f"operator:{self.operator_id}",
            action=action,
            target=self.operator_id,
            now=self.context.clocks.business(),
        )


@dataclass(frozen=True)
class _Attempt:
    """The operator as seen, and the attempt that was counted."""

    operator: Operator
    guess: Guess
