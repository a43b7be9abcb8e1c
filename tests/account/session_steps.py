"""What readers, thieves and operators do to sessions, over HTTP, each step beside the oracle."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx2
import jwt
from sqlalchemy import select

from service.access.revocations import Revocations
from service.account.erase import erase_reader
from service.db.context import Context
from service.db.tables import ReaderSession
from service.identity.devices import DeviceKey, new_device_id, pseudonym
from service.identity.readers import create_reader, link_device
from service.identity.secrets import derived_key
from service.identity.sessions import end_session, open_session
from service.tokens import keys
from service.tokens.key_pairs import KeyRefused
from service.tokens.keys import KeyRingHolder
from tests.account.session_oracle import NOTED, TOKEN_LIFE, Access, Family, Oracle, Person
from tests.account.visitor import Kind, Visitor
from tests.inside import Paywall
from tests.mailbox import sign_in_mails

LINK_LIFE = timedelta(minutes=10)


@dataclass(eq=False)
class Asked:
    """A sign-in mail as the oracle knows it."""

    who: int
    request_id: str
    address: str
    by: Person | None
    link: str
    code: str
    until: datetime


class Steps:
    """One application with its visitors, and what should be true of it."""

    def __init__(self, paywall: Paywall, visitors: list[Visitor]) -> None:
        self.paywall = paywall
        self.visitors = visitors
        self.anyone = Visitor(visitors[0].client, paywall.settings)
        self.oracle = Oracle()
        self.asked: list[Asked] = []
        self.hands: list[Family | None] = [None for _ in visitors]
        """The session whose token each visitor holds, alive or not."""
        self.links: set[str] = set()
        self.was_live: set[Family] = set()
        self.turn = 0

    @property
    def now(self) -> datetime:
        return self.paywall.clocks.wall()

    # -- signing in

    async def ask(self, who: int, address: str) -> None:
        visitor = self.visitors[who]
        person = self._shown(who)
        answer = await visitor.ask(address)
        assert answer.status_code == 202, answer.text
        (mail,) = [
            m for m in await sign_in_mails(self.paywall.database) if m.token not in self.links
        ]
        self.links.add(mail.token)
        by = person if person is not None and person.verified is None else None
        self.asked.append(
            Asked(
                who, answer.json()["request_id"], address, by, mail.token, mail.code,
                self.now + LINK_LIFE,
            )
        )  # fmt: skip

    async def confirm(self, asked: Asked, who: int, *, by_code: bool) -> None:
        here = self._shown(who)
        former = self.hands[who] if here is not None else None
        right = self.now < asked.until and (not by_code or asked.who == who)
        what = (
            {"request_id": asked.request_id, "code": asked.code}
            if by_code
            else {"token": asked.link}
        )
        visitor = self.visitors[who]
        answer = await visitor.confirm(**what)
        if not right:
            assert answer.status_code == 403, (answer.status_code, answer.text)
            return
        assert answer.status_code == 200, answer.text
        for each in self.asked[: self.asked.index(asked) + 1]:
            if each.address == asked.address:
                each.until = self.now  # used up
        account = self.oracle.verifies(asked.address, here)
        if former is not None and former.ended is None:
            former.ended = "replaced"
        self._opened(who, account, visitor.token, answer.json()["access_token"])

    async def buy(self, who: int, address: str | None) -> None:
        """What coming back from Checkout does (checkout/complete.py), without Stripe."""
        visitor, settings = self.visitors[who], self.paywall.settings
        await visitor.call("GET", "/v1/me")  # the return shows the cookie, which may be a copy
        former = self.hands[who] if self._shown(who) is not None else None
        key = self.paywall.app.running.get(DeviceKey)
        visitor.device = visitor.device or key.sign(new_device_id(self.paywall.clocks.wall()))
        device = self._device(visitor)
        async with self.paywall.database.transaction() as session:
            reader = await create_reader(session, email=address, clocks=self.paywall.clocks)
            if device is not None:
                await link_device(session, reader_id=reader.id, device=device, now=self.now)
            if former is not None:
                await end_session(session, former.id, self.now, "replaced")
            opened = await open_session(
                session, reader_id=reader.id, now=self.now, settings=settings, kind=visitor.kind,
                device=device,
            )  # fmt: skip
        visitor.token = opened.token
        if former is not None and former.ended is None:
            former.ended = "replaced"
        self._opened(who, self.oracle.newcomer(address), opened.token, None)

    def _opened(self, who: int, person: Person, token: str | None, access: str | None) -> None:
        assert token is not None
        visitor = self.visitors[who]
        family = Family(
            id=token.partition(".")[0], person=person, device=self._device(visitor),
            kind=visitor.kind, generations=[token], opened_at=self.now, used_at=self.now,
        )  # fmt: skip
        self.oracle.opens(family, self.now)
        self.hands[who] = family
        if access is not None:
            self._note_access(family, access)

    def _device(self, visitor: Visitor) -> str | None:
        device_id = self.paywall.app.running.get(DeviceKey).read(visitor.device)
        return pseudonym(device_id) if device_id is not None else None

    def _shown(self, who: int) -> Person | None:
        """Who a call with the visitor's cookies is, and what that does to the session."""
        visitor, family = self.visitors[who], self.hands[who]
        if visitor.kind == "app" or family is None or visitor.token is None:
            return None
        generation = family.generations.index(visitor.token)
        return family.person if self.oracle.shows(family, generation, self.now) else None

    # -- using sessions

    async def refresh(self, who: int, *, lost: bool, **fields: str) -> None:
        """The visitor exchanges the token in hand; where the answer is lost, it keeps the old one."""
        visitor, family = self.visitors[who], self.hands[who]
        if family is None or visitor.token is None:
            return
        answer = await visitor.refresh(**fields)
        generation = family.generations.index(visitor.token)
        self._compare_refresh(family, generation, answer, visitor)
        if answer.status_code == 200 and not lost:
            visitor.token = visitor.handed(answer)

    def _compare_refresh(
        self, family: Family, generation: int, answer: httpx2.Response, visitor: Visitor
    ) -> None:
        expected = self.oracle.refreshes(family, generation, self.now)
        if expected is None:
            assert answer.status_code == 401, (answer.status_code, family.ended)
            return
        assert answer.status_code == 200, f"wrongly signed out: {answer.text}"
        token = visitor.handed(answer)
        assert token is not None
        if expected:
            assert token not in family.generations
            family.generations.append(token)
        assert token == family.generations[-1]
        assert (visitor.kind == "app") == ("refresh_token" in answer.json())
        self._note_access(family, answer.json()["access_token"])

    async def burst(self, family: Family, generations: list[int]) -> None:
        """Parallel exchanges of these generations: at most one successor."""
        visitor = Visitor(self.anyone.client, self.paywall.settings, self._kind(family))
        last = len(family.generations) - 1
        if last in generations and not family.in_grace(self.now):
            # The present one is exchanged: a parent that comes after it is one too old by then.
            generations = [each for each in generations if each != last - 1]
        tokens = [family.generations[each] for each in generations]
        answers = await asyncio.gather(*(visitor.refresh(token) for token in tokens))
        good = [a for a in answers if a.status_code == 200]
        successors = {visitor.handed(answer) for answer in good}
        assert len(successors) <= 1
        assert all(answer.status_code in {200, 401} for answer in answers)
        if not family.is_live(self.now):
            assert not good
            return
        stale = [not family.is_good(each, self.now) for each in generations]
        assert not any(s and a.status_code == 200 for s, a in zip(stale, answers, strict=True))
        if not any(stale):
            assert len(good) == len(answers), "wrongly signed out"
            if self.oracle.refreshes(family, max(generations), self.now):
                assert successors.isdisjoint(family.generations)
            else:
                assert successors == {family.generations[-1]}
        # Somebody holds a copy. Those who came before may have got a successor: it is dead as well.
        family.generations += [t for t in successors if t and t not in family.generations]
        for answer in good:
            self._note_access(family, answer.json()["access_token"])
        if any(stale):
            family.ended = "reused"

    async def replay(self, family: Family, generation: int, way: str) -> None:
        token = family.generations[generation]
        if way == "read":
            answer = await self.anyone.me(token)
            alive = self.oracle.shows(family, generation, self.now)
            assert answer.status_code == (200 if alive else 401), answer.text
            return
        kind = "app" if way == "body" else "browser"
        thief = Visitor(self.anyone.client, self.paywall.settings, kind)  # type: ignore[arg-type]
        self._compare_refresh(family, generation, await thief.refresh(token), thief)

    async def refused(self, token: str, way: str) -> None:
        """A token that we never issued opens nothing; that it ends nothing shows afterwards."""
        thief = Visitor(self.anyone.client, self.paywall.settings)
        thief.kind = "app" if way == "body" else "browser"
        answer = await (thief.me(token) if way == "read" else thief.refresh(token))
        assert answer.status_code == 401

    def _kind(self, family: Family) -> Kind:
        return "app" if family.kind == "app" else "browser"

    def _note_access(self, family: Family, text: str) -> None:
        claims = jwt.decode(text, options={"verify_signature": False})
        assert claims["sid"] == family.id
        same = [f for f in self.oracle.families if f.person is family.person and f.access]
        for other in same:
            told = jwt.decode(other.access[-1].text, options={"verify_signature": False})
            if other.ended is None:
                assert told["sub"] == claims["sub"], "signed in as somebody else"
        kid = jwt.get_unverified_header(text)["kid"]
        family.access = [*family.access[-2:], Access(text, kid, self.now)]

    # -- signing out

    async def sign_out(self, who: int, path: str, other: Family | None = None) -> None:
        """By the session in hand: itself, all of the reader's, or another one by its id."""
        visitor, family = self.visitors[who], self.hands[who]
        headers = {}
        if visitor.kind == "app":
            if family is None:
                return
            await self.refresh(who, lost=False, scope="account")
            if not family.is_live(self.now):
                return
            person: Person | None = family.person
            headers = {"Authorization": f"Bearer {family.access[-1].text}"}
        else:
            person = self._shown(who)
        answer = await visitor.call("DELETE", path + (other.id if other else ""), **headers)
        if person is None or family is None:
            assert answer.status_code == 401
        elif other is not None:
            theirs = other.is_live(self.now) and other.person is person
            assert answer.status_code == (204 if theirs else 404), answer.text
            other.ended = "signed_out" if theirs else other.ended
        elif path == "/v1/sessions":
            assert answer.status_code == 204
            self.oracle.ends_all(person, "signed_out")
        else:
            assert answer.status_code == 204
            family.ended = "signed_out"

    async def erase(self, who: int) -> None:
        """The reader signed in here is erased for good, and may sign in anew as somebody else."""
        # The call shows the cookie, which may be a copy that ends its session.
        await self.visitors[who].call("GET", "/v1/me")
        person, family = self._shown(who), self.hands[who]
        if person is None or family is None:
            return
        settings, clocks = self.paywall.settings, self.paywall.clocks
        async with self.paywall.database.reading() as session:
            row = await session.get_one(ReaderSession, family.id)
        await erase_reader(
            Context(settings, clocks, self.paywall.database), None, reader_id=row.reader_id,
            cancel_subscription=True,
        )  # fmt: skip
        for asked in self.asked:
            if asked.address == person.verified or (asked.by and asked.by.account is person):
                asked.until = self.now
        self.oracle.erases(person)
        assert family.ended == "erased"

    # -- time and keys

    def set_clock_back(self, seconds: float) -> None:
        self.paywall.clocks.travel(-timedelta(seconds=seconds))
        self.oracle.doubts_access()
        self.asked.clear()  # whether a link has expired is now a matter of taste

    async def rotate_keys(self) -> None:
        async with self.paywall.database.transaction() as session:
            try:
                await keys.rotate(
                    session, algorithm="ES256", encryption_key=self._sealing_key, now=self.now
                )
            except KeyRefused:
                return  # published too shortly
        await self.paywall.app.running.get(KeyRingHolder).refresh(self.paywall.database)

    async def revoke_key(self, nth: int) -> None:
        async with self.paywall.database.transaction() as session:
            kids = [k.kid for k in await keys.list_keys(session) if k.state != "revoked"]
            kid = kids[nth % len(kids)]
            await keys.revoke(
                session, kid, algorithm="ES256", encryption_key=self._sealing_key, now=self.now
            )
        await self.paywall.app.running.get(KeyRingHolder).refresh(self.paywall.database)
        self.oracle.doubts_access(kid)

    @property
    def _sealing_key(self) -> bytes:
        return derived_key(self.paywall.settings, "token-keys")

    # -- what must hold

    async def check(self) -> None:
        """What a step changed, and by turns one that lives and one that is dead."""
        await self._compare_rows()
        families, now = self.oracle.families, self.now
        live = {each for each in families if each.is_live(now)}
        dead = [each for each in families if each not in live]
        lately = {each for each in self.was_live if each not in live}
        self.was_live = live
        self.turn += 1
        for family in lately:
            # Where a session is needed at once, without waiting for a round of background work.
            for access in family.access[-1:]:
                assert (await self.anyone.bearing(access.text)).status_code == 401, family.ended
        if lately:
            await self._refresh_revocations()
        for family in lately:
            await self._is_dead(family)
        if dead:
            answer = await self.anyone.refresh(dead[self.turn % len(dead)].generations[-1])
            assert answer.status_code == 401, answer.text
        # A look at a session counts as its use once an hour, and with a new token as that one's first;
        # this one must have no effect.
        unnoticed = [
            each
            for each in families
            if each in live and now - each.used_at < NOTED and each.is_in_use
        ]
        if unnoticed:
            await self._is_live(unnoticed[self.turn % len(unnoticed)])

    async def check_all(self) -> None:
        """Every session there ever was."""
        await self._compare_rows()
        await self._refresh_revocations()
        for family in self.oracle.families:
            if family.is_live(self.now):
                await self._is_live(family)
                await self.replay(family, len(family.generations) - 1, "cookie")
            else:
                await self._is_dead(family)

    async def _refresh_revocations(self) -> None:
        revocations = self.paywall.app.running.get(Revocations)
        await revocations.refresh(self.paywall.database, self.paywall.clocks)

    async def _compare_rows(self) -> None:
        async with self.paywall.database.reading() as session:
            found = await session.execute(select(ReaderSession.id, ReaderSession.ended_at))
            ended = {row.id: row.ended_at is not None for row in found}
        expected = {each.id: each.ended is not None for each in self.oracle.families}
        assert ended == expected, {each.id: each.ended for each in self.oracle.families}

    async def _is_live(self, family: Family) -> None:
        answer = await self.anyone.me(family.generations[-1])
        family.is_shown(len(family.generations) - 1)
        assert answer.status_code == 200, f"wrongly signed out: {answer.text}"
        assert answer.json()["session_id"] == family.id
        assert answer.json()["email_verified"] == (family.person.verified is not None)
        for access in family.access[-1:]:
            if access.certain and self.now < access.issued_at + TOKEN_LIFE:
                for path in ("/v1/articles/a/access", "/v1/articles/a/full"):
                    answer = await self.anyone.bearing(access.text, path)
                    assert answer.status_code == 200, (path, answer.text)

    async def _is_dead(self, family: Family) -> None:
        for token in family.generations[-2:]:
            app = Visitor(self.anyone.client, self.paywall.settings, "app")
            for answer in (
                await self.anyone.me(token),
                await self.anyone.refresh(token),
                await app.refresh(token),
            ):
                assert answer.status_code == 401, (family.ended, answer.text)
        for access in family.access[-1:]:
            # A session that ends by age lets its last token run out: ten minutes at most.
            if family.ended is not None and access.certain:
                answer = await self.anyone.bearing(access.text, "/v1/articles/a/full")
                assert answer.status_code == 401, (family.ended, answer.text)
