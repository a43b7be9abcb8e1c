"""The administrators' pages: operators, API keys, the audit log."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage, ListQuery
from service.html.redirect import see_other
from service.identity.permissions import ROLES, SCOPES, Permission
from service.identity.second_factor import is_on
from service.operators.frame.names import kind_of, names_of
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Seen, Visit, form_requires, page_requires
from service.operators.staff.accounts import AppAccounts, facts_of
from service.operators.staff.audit_words import ids_in, value_text
from service.operators.staff.keys import create_key, revoke_key
from service.operators.staff.lists import list_api_keys, list_audit, list_operators
from service.operators.staff.schemas import AnyAudit
from service.problems import Problem
from service.reports.schemas import Storable
from service.settings import AppSettings

router = APIRouter(route_class=PageRoute, include_in_schema=False)
OPERATORS = "/admin/operators"
KEYS = "/admin/api-keys"
FROM_THE_START = ListQuery()
_NOTHING_CHOSEN: Mapping[str, str] = {}

SeesOperators = Annotated[Visit, Depends(page_requires(Permission.OPERATORS_READ))]
ChangesOperators = Annotated[Visit, Depends(form_requires(Permission.OPERATORS_WRITE))]
SeesKeys = Annotated[Visit, Depends(page_requires(Permission.KEYS_READ))]
ChangesKeys = Annotated[Visit, Depends(form_requires(Permission.KEYS_WRITE))]
SeesAudit = Annotated[Visit, Depends(page_requires(Permission.AUDIT_READ))]
OperatorId = Annotated[str, Path(max_length=100), Storable]
Text = Annotated[str, Form(), Storable]


@router.get("/operators")
async def show_operators(
    request: Request, _: SeesOperators, asked: AnyPage, session: ReportSession
) -> Response:
    """All accounts, and the form for a new one."""
    return await _operators_page(request, session, asked)


@router.post("/operators")
async def send_operator(
    request: Request,
    visit: ChangesOperators,
    accounts: AppAccounts,
    email: Text = "",
    role: Text = "",
    password: Text = "",
) -> Response:
    """Make an account; what can't be is told above the form."""
    try:
        await accounts.create(visit.operator, email=email, password=password, role=role)
    except Problem as problem:
        async with accounts.context.database.reading() as session:
            return await _operators_page(request, session, problem=problem, email=email, role=role)
    return see_other(OPERATORS)


@router.post("/operators/{operator_id}")
async def send_operator_change(
    request: Request,
    visit: ChangesOperators,
    operator_id: OperatorId,
    accounts: AppAccounts,
    seen: Seen,
    change: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
) -> Response:
    """`change` is `role`, `disable`, `enable` or `reset-totp`."""
    try:
        await accounts.change(visit.operator, operator_id, **_chosen(change, role), seen=seen)
    except Problem as problem:
        chosen = {operator_id: role} if role in ROLES else {}
        async with accounts.context.database.reading() as session:
            return await _operators_page(request, session, problem=problem, chosen=chosen)
    return see_other(OPERATORS)


class _Chosen(TypedDict, total=False):
    role: str
    disabled: bool
    totp: Literal[False]


def _chosen(change: str, role: str) -> _Chosen:
    """What the form's button means to the account."""
    if change == "role" and role in ROLES:
        return {"role": role}
    if change in {"disable", "enable"}:
        return {"disabled": change == "disable"}
    if change == "reset-totp":
        return {"totp": False}
    raise Problem("invalid-request", "Unknown change. Go back and try again.")


async def _operators_page(
    request: Request,
    session: AsyncSession,
    asked: ListQuery = FROM_THE_START,
    *,
    problem: Problem | None = None,
    chosen: Mapping[str, str] = _NOTHING_CHOSEN,
    **entries: str,
) -> Response:
    """`chosen` are roles that weren't set, by the operators' ids."""
    answer = page(
        request,
        "operators.html",
        status_code=problem.type.status if problem else 200,
        operators=await list_operators(session, asked),
        roles=list(ROLES),
        is_on=is_on,
        refusal=problem,
        chosen=chosen,
        facts_of=facts_of,
        asked=asked,
        entries={"email": "", "role": "viewer", **entries},
    )
    if problem is not None:
        answer.headers.update(problem.headers)
    return answer


@router.get("/api-keys")
async def show_api_keys(
    request: Request, visit: SeesKeys, asked: AnyPage, session: ReportSession
) -> Response:
    """All keys, and the form for a new one."""
    return await _keys_page(request, visit, session, asked)


@router.post("/api-keys")
async def send_api_key(
    request: Request,
    visit: ChangesKeys,
    context: AppContext,
    label: Text = "",
    scopes: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make a key and show it, this once; so the answer is the page itself."""
    made, refusal, status = None, None, 200
    try:
        made = await create_key(context, visit.operator, label=label, scopes=scopes or [])
    except Problem as problem:
        refusal, status = problem.detail, problem.type.status
    async with context.database.reading() as session:
        return await _keys_page(
            request, visit, session, made=made, refusal=refusal, status=status,
            label="" if made else label, chosen=[] if made else scopes or [],
        )  # fmt: skip


@router.post("/api-keys/{prefix}/revoke")
async def send_revocation(
    visit: ChangesKeys,
    prefix: Annotated[str, Path(max_length=100), Storable],
    context: AppContext,
) -> Response:
    """Refuse the key from now on."""
    await revoke_key(context, visit.operator, prefix)
    return see_other(KEYS)


async def _keys_page(
    request: Request,
    visit: Visit,
    session: AsyncSession,
    asked: ListQuery = FROM_THE_START,
    *,
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
        keys=await list_api_keys(session, asked),
        scopes=sorted(SCOPES & visit.operator.permissions),
        made=made,
        refusal=refusal,
        asked=asked,
        label=label,
        chosen=chosen or [],
    )


@router.get("/audit")
async def show_audit(
    request: Request,
    _: SeesAudit,
    asked: AnyAudit,
    session: ReportSession,
    settings: AppSettings,
) -> Response:
    """Who changed what, the newest first."""
    found = await list_audit(session, asked)
    told = [each for entry in found.items for each in ids_in([entry.before, entry.after])]
    names = await names_of(
        session, [each.actor for each in found.items], [each.target for each in found.items], told
    )
    return page(
        request, "audit.html", entries=found, asked=asked, names=names, kind_of=kind_of,
        said=lambda value: value_text(value, names, settings.zone),
    )  # fmt: skip
