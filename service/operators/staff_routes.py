"""The administrators' pages: operators, API keys, the audit log."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import AppClocks
from service.db.session import AppDatabase, ReadSession, WriteSession
from service.db.tables import Operator
from service.identity.passwords import AppPasswords
from service.identity.permissions import ROLES, SCOPES, Permission
from service.identity.second_factor import is_on
from service.operators.accounts import Accounts
from service.operators.keys import create_key, revoke_key
from service.operators.lists import list_api_keys, list_audit, list_operators
from service.operators.pages import PageRoute, page
from service.operators.visits import Visit, form_requires, page_requires
from service.problems import Problem
from service.reports.schemas import Storable

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SEE_OTHER = 303
ROWS = 50
OPERATORS = "/admin/operators"
KEYS = "/admin/api-keys"

SeesOperators = Annotated[Visit, Depends(page_requires(Permission.OPERATORS_READ))]
ChangesOperators = Annotated[Visit, Depends(form_requires(Permission.OPERATORS_WRITE))]
SeesKeys = Annotated[Visit, Depends(page_requires(Permission.KEYS_READ))]
ChangesKeys = Annotated[Visit, Depends(form_requires(Permission.KEYS_WRITE))]
SeesAudit = Annotated[Visit, Depends(page_requires(Permission.AUDIT_READ))]
Cursor = Annotated[str, Query(max_length=200)]
OperatorId = Annotated[str, Path(max_length=100), Storable]
Text = Annotated[str, Form(), Storable]


@router.get("/operators")
async def show_operators(
    request: Request, _: SeesOperators, session: ReadSession, cursor: Cursor = ""
) -> Response:
    """All accounts, and the form for a new one."""
    return await _operators_page(request, session, cursor=cursor)


@router.post("/operators")
async def send_operator(
    request: Request,
    visit: ChangesOperators,
    database: AppDatabase,
    clocks: AppClocks,
    passwords: AppPasswords,
    email: Text = "",
    role: Text = "",
    password: Text = "",
) -> Response:
    """Make an account; what can't be is told above the form."""
    try:
        async with database.transaction() as session:
            accounts = Accounts.of(visit.operator, session, clocks, passwords)
            await accounts.create(email=email, password=password, role=role)
    except Problem as problem:
        async with database.reading() as session:
            return await _operators_page(request, session, problem=problem, email=email, role=role)
    return RedirectResponse(OPERATORS, SEE_OTHER)


@router.post("/operators/{operator_id}")
async def send_operator_change(
    request: Request,
    visit: ChangesOperators,
    operator_id: OperatorId,
    database: AppDatabase,
    clocks: AppClocks,
    passwords: AppPasswords,
    change: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
) -> Response:
    """`change` is `role`, `disable`, `enable` or `reset-totp`."""
    try:
        async with database.transaction() as session:
            await _change(
                Accounts.of(visit.operator, session, clocks, passwords), operator_id, change, role
            )
    except Problem as problem:
        async with database.reading() as session:
            return await _operators_page(request, session, problem=problem)
    return RedirectResponse(OPERATORS, SEE_OTHER)


async def _change(accounts: Accounts, operator_id: str, change: str, role: str) -> None:
    if change == "role" and role in ROLES:
        await accounts.change(operator_id, role=role)
    elif change in {"disable", "enable"}:
        await accounts.change(operator_id, disabled=change == "disable")
    elif change == "reset-totp":
        await accounts.reset_totp(operator_id)
    else:
        raise Problem("invalid-request", "There is no such change. Go back and try again.")


async def _operators_page(
    request: Request,
    session: AsyncSession,
    *,
    cursor: str = "",
    problem: Problem | None = None,
    **entries: str,
) -> Response:
    found = await list_operators(session, cursor=cursor or None, limit=ROWS)
    answer = page(
        request,
        "operators.html",
        status_code=problem.definition.status if problem else 200,
        operators=found,
        roles=list(ROLES),
        is_on=is_on,
        refusal=problem.detail if problem else None,
        cursor=cursor,
        entries={"email": "", "role": "viewer", **entries},
    )
    if problem is not None:
        answer.headers.update(problem.headers)
    return answer


@router.get("/api-keys")
async def show_api_keys(
    request: Request, visit: SeesKeys, session: ReadSession, cursor: Cursor = ""
) -> Response:
    """All keys, and the form for a new one."""
    return await _keys_page(request, visit, session, cursor=cursor)


@router.post("/api-keys")
async def send_api_key(
    request: Request,
    visit: ChangesKeys,
    database: AppDatabase,
    clocks: AppClocks,
    label: Text = "",
    scopes: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make a key and show it, this once; so the answer is the page itself."""
    made, refusal, status = None, None, 200
    try:
        async with database.transaction() as session:
            made = await create_key(
                session,
                label=label,
                scopes=scopes or [],
                actor=visit.operator.label,
                permissions=visit.operator.permissions,
                clocks=clocks,
            )
    except ValueError as error:
        refusal, status = f"No key was made: {error}.", 422
    except Problem as problem:
        refusal, status = problem.detail, problem.definition.status
    async with database.reading() as session:
        return await _keys_page(
            request, visit, session, made=made, refusal=refusal, status=status,
            label="" if made else label, chosen=[] if made else scopes or [],
        )  # fmt: skip


@router.post("/api-keys/{prefix}/revoke")
async def send_revocation(
    visit: ChangesKeys,
    prefix: Annotated[str, Path(max_length=100), Storable],
    session: WriteSession,
    clocks: AppClocks,
) -> Response:
    """Refuse the key from now on."""
    await revoke_key(session, prefix, actor=visit.operator.label, clocks=clocks)
    return RedirectResponse(KEYS, SEE_OTHER)


async def _keys_page(
    request: Request,
    visit: Visit,
    session: AsyncSession,
    *,
    cursor: str = "",
    made: Any = None,
    refusal: str | None = None,
    status: int = 200,
    label: str = "",
    chosen: list[str] | None = None,
) -> Response:
    return page(
        request,
        "api_keys.html",
        status_code=status,
        keys=await list_api_keys(session, cursor=cursor or None, limit=ROWS),
        scopes=sorted(SCOPES & visit.operator.permissions),
        made=made,
        refusal=refusal,
        cursor=cursor,
        label=label,
        chosen=chosen or [],
    )


class AuditFilter(BaseModel):
    """What the filter's form sends: an empty field is no filter."""

    actor: Annotated[str, Storable, Field(max_length=200)] = ""
    target: Annotated[str, Storable, Field(max_length=400)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""

    def address(self, **changed: str | None) -> str:
        """The same list with other values; empty ones are left away."""
        fields = {"actor": self.actor, "target": self.target, **changed}
        chosen = urlencode({name: value for name, value in fields.items() if value})
        return f"/admin/audit?{chosen}" if chosen else "/admin/audit"


@router.get("/audit")
async def show_audit(
    request: Request,
    _: SeesAudit,
    asked: Annotated[AuditFilter, Query()],
    session: ReadSession,
) -> Response:
    """Who changed what, the newest first."""
    found = await list_audit(
        session,
        actor=asked.actor.strip(),
        target=asked.target.strip(),
        cursor=asked.cursor or None,
        limit=ROWS,
    )
    people = await session.execute(select(Operator.id, Operator.email))
    names = {f"operator:{id_}": email for id_, email in people}
    return page(request, "audit.html", entries=found, asked=asked, names=names)
