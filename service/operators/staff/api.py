"""Operators, API keys and the audit log over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.db.context import AppContext
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.meanwhile import IfMatch
from service.identity.permissions import Permission
from service.operators.staff.accounts import AppAccounts
from service.operators.staff.keys import create_key, revoke_key
from service.operators.staff.lists import list_api_keys, list_audit, list_operators
from service.operators.staff.schemas import (
    AnyAudit,
    ApiKeyIn,
    ApiKeyList,
    ApiKeyMade,
    ApiKeyOut,
    AuditItem,
    AuditList,
    KeyPrefix,
    OperatorChange,
    OperatorId,
    OperatorIn,
    OperatorList,
    OperatorOut,
)

router = APIRouter(tags=["operators"])

ReadsOperators = Annotated[Actor, Depends(requires(Permission.OPERATORS_READ))]
ChangesOperators = Annotated[Actor, Depends(requires(Permission.OPERATORS_WRITE))]
ReadsKeys = Annotated[Actor, Depends(requires(Permission.KEYS_READ))]
ChangesKeys = Annotated[Actor, Depends(requires(Permission.KEYS_WRITE))]
ReadsAudit = Annotated[Actor, Depends(requires(Permission.AUDIT_READ))]


@router.get("/operators", summary="List operators")
async def read_operators(_: ReadsOperators, asked: AnyPage, session: ReportSession) -> OperatorList:
    """All accounts by address, disabled ones included. Needs the permission operators:read."""
    return OperatorList.of((await list_operators(session, asked)).map(OperatorOut.of))


@router.post("/operators", status_code=201, summary="Make an operator")
async def make_operator(
    body: OperatorIn,
    actor: ChangesOperators,
    accounts: AppAccounts,
) -> OperatorOut:
    """Make an account; the role may include nothing that the caller doesn't have.

    Needs the permission operators:write.
    """
    made = await accounts.create(actor, email=body.email, password=body.password, role=body.role)
    return OperatorOut.of(made)


@router.patch("/operators/{operator_id}", summary="Change an operator")
async def change_operator(
    operator_id: OperatorId,
    body: OperatorChange,
    actor: ChangesOperators,
    accounts: AppAccounts,
    if_match: IfMatch = None,
) -> OperatorOut:
    """Change the role, disable or enable the account, or take a lost second factor off.

    Disabling ends the operator's sessions at once. Nobody changes themselves, and one enabled
    administrator stays. Needs the permission operators:write.
    """
    changed = await accounts.change(
        actor, operator_id, role=body.role, disabled=body.disabled, totp=body.totp, seen=if_match
    )
    return OperatorOut.of(changed)


@router.get("/api-keys", summary="List API keys")
async def read_api_keys(_: ReadsKeys, asked: AnyPage, session: ReportSession) -> ApiKeyList:
    """All keys, the newest first, revoked ones included. Needs the permission keys:read."""
    return ApiKeyList.of((await list_api_keys(session, asked)).map(ApiKeyOut.of))


@router.post("/api-keys", status_code=201, summary="Make an API key")
async def make_key(body: ApiKeyIn, actor: ChangesKeys, context: AppContext) -> ApiKeyMade:
    """Make a key; `key` is shown this once. It gets no scope that the caller doesn't have.

    Needs the permission keys:write.
    """
    return ApiKeyMade.of_new(await create_key(context, actor, label=body.label, scopes=body.scopes))


@router.delete("/api-keys/{prefix}", summary="Revoke an API key")
async def revoke_api_key(prefix: KeyPrefix, actor: ChangesKeys, context: AppContext) -> ApiKeyOut:
    """Refuse the key from now on; repeating changes nothing.

    Needs the permission keys:write, and every permission that the key has.
    """
    return ApiKeyOut.of(await revoke_key(context, actor, prefix))


@router.get("/audit", summary="Read the audit log")
async def read_audit(_: ReadsAudit, asked: AnyAudit, session: ReportSession) -> AuditList:
    """Who changed what, the newest first, by actor or target. Needs the permission audit:read."""
    return AuditList.of((await list_audit(session, asked)).map(AuditItem.of))
