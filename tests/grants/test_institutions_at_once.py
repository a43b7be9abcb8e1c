"""What is agreed with institutions changes while readers come, go and are merged, and while lists are taken."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from service.account import address
from service.account.address import change_by_operator
from service.account.merge import merge
from service.db.context import Context
from service.db.session import Database
from service.db.tables import FormerGrant, Grant, Reader
from service.grants import institutions, rights
from service.grants.institution_lists import ListedInstitution, store_institutions
from service.grants.institutions import InstitutionTerms, put_institution
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.grants.test_institutions import ADDRESS, LIBRARY, confirmed, live_grants, put
from tests.inside import Paywall, inside
from tests.interleaving import amid
from tests.statements import statements

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    behind = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    async with inside(database, behind, clocks) as made:
        yield made


@pytest.fixture
def context(paywall: Paywall) -> Context:
    return Context(paywall.settings, paywall.clocks, paywall.database)


@on_postgresql
async def test_who_leaves_a_domain_while_its_plan_is_changed_reads_no_longer(
    paywall: Paywall, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(paywall, domains=["library.example"])
    reader_id = await confirmed(paywall, "ana@library.example")

    async def change() -> None:
        assert (await put(paywall, domains=["library.example"], plan="daily")).status_code == 200

    begun = amid(monkeypatch, address, "end_sessions_of", paywall.database, change)
    await change_by_operator(context, reader_id=reader_id, email="ana@x.example", actor="tests")
    await begun[0]
    assert await live_grants(paywall, reader_id) == []


@on_postgresql
async def test_what_a_reader_holds_who_is_merged_while_its_plan_is_changed_is_the_accounts(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(paywall, networks=["192.0.2.0/24"])
    account_id = await confirmed(paywall, "ana@elsewhere.example")
    former_id = await paywall.sign_in()
    headers = {"X-Forwarded-For": "192.0.2.9"}
    assert (await paywall.client.post("/v1/me/institution", headers=headers)).status_code == 200

    async def merged() -> None:
        async with paywall.database.transaction() as session:
            former = await session.get_one(Reader, former_id)
            account = await session.get_one(Reader, account_id)
            await merge(session, former, account, paywall.clocks)

    begun = amid(monkeypatch, institutions, "put_grants", paywall.database, merged)
    assert (await put(paywall, networks=["192.0.2.0/24"], plan="daily")).status_code == 200
    await begun[0]
    assert await live_grants(paywall, account_id) == ["plan:daily"]
    assert await live_grants(paywall, former_id) == []


@on_postgresql
async def test_a_list_and_one_institution_never_wait_for_each_other(
    paywall: Paywall, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agreed(*domains: str) -> InstitutionTerms:
        return InstitutionTerms("Library", "digital", domains, (), None)

    async def agree() -> None:
        assert (await put(paywall, domains=["a.example", "z.example"])).status_code == 200

    rows = [
        ListedInstitution("one", agreed("z.example")),
        ListedInstitution("two", agreed("a.example")),
    ]
    begun = amid(monkeypatch, institutions, "record", paywall.database, agree)
    with capture_logs() as logs:
        await store_institutions(context, rows, actor="tests", dry_run=False)
        await begun[0]
    assert "database.deadlock" not in {each["event"] for each in logs}


class _Deadlock(Exception):
    sqlstate = "40P01"


VERBS: list[tuple[Any, str, str, dict[str, Any] | None]] = [
    (institutions, "PUT", f"{ADDRESS}/city-library", LIBRARY),
    (institutions, "DELETE", f"{ADDRESS}/city-library", None),
    (rights, "PUT", "/v1/admin/entitlements/print/KD", {"plan": "digital", "email": "a@x.example"}),
    (rights, "DELETE", "/v1/admin/entitlements/print/KD", None),
]


@on_sqlite
async def test_what_the_database_ended_for_a_deadlock_is_done_again(
    paywall: Paywall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended_once(where: Any) -> Callable[..., Any]:
        usual = where.record

        async def ended(*_: Any, **__: Any) -> None:
            monkeypatch.setattr(where, "record", usual)
            raise DBAPIError(None, None, _Deadlock())

        return ended

    for where, method, path, body in VERBS:
        monkeypatch.setattr(where, "record", ended_once(where))
        answer = await paywall.client.request(method, path, json=body, headers=paywall.staff)
        assert answer.status_code == 200, (method, path)


async def test_many_members_take_as_many_statements_as_few(
    paywall: Paywall, context: Context
) -> None:
    now = paywall.clocks.business()

    async def agree(slug: str, count: int, plan: str) -> int:
        terms = InstitutionTerms("Library", plan, (f"{slug}.example",), (), None)
        with statements() as seen:
            async with paywall.database.transaction() as session:
                await put_institution(session, context, slug, terms, actor="tests")
        async with paywall.database.reading() as session:
            scopes = await session.scalars(
                select(Grant.scope).where(Grant.reference.startswith(slug))
            )
        assert list(scopes) == [f"plan:{plan}"] * count
        return len(seen)

    members = [
        {
            "id": f"rdr_{slug}{number}", "verified_key": f"r{number}@{slug}.example",
            "email_verified_at": now, "created_at": now,
        }
        for slug, count in (("few", 2), ("many", 40)) for number in range(count)
    ]  # fmt: skip
    async with paywall.database.transaction() as session:
        await session.execute(insert(Reader), members)
    for plan in ("digital", "daily"):
        assert await agree("many", 40, plan) == await agree("few", 2, plan)
    async with paywall.database.reading() as session:
        former = list(await session.scalars(select(FormerGrant.scope)))
    assert former == ["plan:digital"] * 42, "what they said before is kept"
