"""Signing an operator in: the password, then the second factor where one is set up."""

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import Context
from service.db.tables import Operator
from service.identity.audit import record
from service.identity.devices import new_device_id, pseudonym
from service.identity.operators import (
    end_operator_session,
    find_operator,
    open_operator_session,
    remember_device,
)
from service.identity.passwords import LONGEST_PASSWORD, Passwords
from service.identity.second_factor import is_on, take_code
from service.operators.sign_in.guessing import (
    AttemptSource,
    Guess,
    TooMany,
    begin_guess,
    settle,
    take_back,
)
from service.operators.sign_in.password_proof import operator_id_in, password_proof, proves_password

REFUSAL = "Incorrect e-mail address or password. Try again."
CODE_REFUSAL = "Incorrect or used code. Wait for the next one in your authenticator app, or use a recovery code."
OVER = "Your sign-in has expired. Sign in again."

log = structlog.get_logger()


@dataclass(frozen=True)
class FormRefused:
    """Nobody is signed in; the sentence is the same for known and unknown addresses."""

    sentence: str


@dataclass(frozen=True)
class CodeNeeded:
    """The password is right; the value goes into the form that asks for the code."""

    password_proof: str


@dataclass(frozen=True)
class SessionOpened:
    """A session's new secret, whose it is, and the id of the browser's device: its own, or a new one."""

    secret: str
    operator_id: str
    device_id: str


@dataclass(frozen=True)
class Browser:
    """What the browser brings along: its network, its device id, the secret of a former session."""

    network: str
    device_id: str | None
    former_secret: str | None

    @property
    def source(self) -> AttemptSource:
        return AttemptSource(self.network, pseudonym(self.device_id) if self.device_id else None)


class SignIn:
    """Signing in by the context and the passwords of the application."""

    def __init__(self, context: Context, passwords: Passwords) -> None:
        self.context = context
        self.passwords = passwords

    async def by_password(
        self, *, email: str, password: str, browser: Browser
    ) -> SessionOpened | CodeNeeded | FormRefused | TooMany:
        """The first step, in the same time whether or not the address is an operator's."""
        if "\0" in email or max(len(email), len(password)) > LONGEST_PASSWORD:
            return FormRefused(REFUSAL)
        now = self.context.clocks.wall()
        guess = await begin_guess(
            self.context.database, email, browser.source, settings=self.context.settings, now=now
        )
        if isinstance(guess, TooMany):
            log.warning("operator.limited")
            return guess
        async with self.context.database.reading() as session:
            operator = await find_operator(session, email)
        # Slow by design (argon2): in a thread, with no connection held meanwhile.
        stored = operator.password_hash if operator else None
        matches = await asyncio.to_thread(self.passwords.match, stored, password)
        if operator is None or not matches or operator.disabled_at is not None:
            log.warning("operator.refused", operator=operator.id if operator else None)
            return FormRefused(REFUSAL)
        rehashed = await asyncio.to_thread(
            self.passwords.rehashed, operator.password_hash, password
        )
        async with self.context.database.transaction() as session:
            current = await self._unchanged(session, operator)
            if current is None:
                return FormRefused(REFUSAL)
            if rehashed is not None:
                current.password_hash = rehashed
            if is_on(current):
                await take_back(session, guess)
                return CodeNeeded(password_proof(current, now=now, settings=self.context.settings))
            return await self._open(session, current, browser, guess, second_factor=None)

    async def by_code(
        self, *, proof: str, code: str, browser: Browser
    ) -> SessionOpened | FormRefused | TooMany:
        """The second step: a one-time code or a recovery code, each used once."""
        now = self.context.clocks.wall()
        operator_id = operator_id_in(proof)
        async with self.context.database.reading() as session:
            operator = await session.get(Operator, operator_id) if operator_id else None
        if operator is None or not proves_password(
            proof, operator, now=now, settings=self.context.settings
        ):
            return FormRefused(OVER)
        guess = await begin_guess(
            self.context.database,
            operator.email,
            browser.source,
            settings=self.context.settings,
            now=now,
            of_code=True,
        )
        if isinstance(guess, TooMany):
            log.warning("operator.limited", operator=operator.id)
            return guess
        async with self.context.database.transaction() as session:
            current = await self._unchanged(session, operator)
            if current is None or not is_on(current):
                return FormRefused(OVER)
            taken = await take_code(session, current, code, now=now, settings=self.context.settings)
            if taken is None:
                log.warning("operator.code_refused", operator=operator.id)
                return FormRefused(CODE_REFUSAL)
            return await self._open(session, current, browser, guess, second_factor=taken)

    async def _unchanged(self, session: AsyncSession, operator: Operator) -> Operator | None:
        """The operator, locked; None where password or account changed while it was checked."""
        current = await session.get(
            Operator, operator.id, with_for_update=True, populate_existing=True
        )
        if current is None or current.disabled_at is not None:
            return None
        return current if current.password_hash == operator.password_hash else None

    async def _open(
        self,
        session: AsyncSession,
        operator: Operator,
        browser: Browser,
        guess: Guess,
        *,
        second_factor: str | None,
    ) -> SessionOpened:
        # A secret that somebody planted in the browser never becomes a signed-in one.
        if browser.former_secret is not None:
            await end_operator_session(session, browser.former_secret)
        now = self.context.clocks.wall()
        secret = await open_operator_session(
            session, operator, now=now, settings=self.context.settings
        )
        device_id = browser.device_id or new_device_id(now)
        await remember_device(session, operator, pseudonym(device_id), now)
        await settle(session, guess)
        await record(
            session,
            actor=f"operator:{operator.id}",
            action="operator.sign-in",
            target=operator.id,
            after={"second_factor": second_factor},
            now=self.context.clocks.business(),
        )
        log.info("operator.signed_in", operator=operator.id)
        return SessionOpened(secret, operator.id, device_id)
