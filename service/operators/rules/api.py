"""The rules over the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse

from service.content.recut_job import last_recut
from service.db.session import ReportSession
from service.html.list_query import AnyPage
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.rules.changes import (
    AppRuleChanges,
    current_rules,
    list_versions,
    rules_of_version,
    shown,
)
from service.operators.rules.recuts import AppRecuts, RecutOut, shown_recut
from service.operators.rules.schemas import RulesHistory, RulesOut, VersionNumber
from service.problems import Problem
from service.rules.document import RulesIn
from service.settings import AppSettings

router = APIRouter(prefix="/rules", tags=["rules"])

Reads = Annotated[Actor, Depends(requires(Permission.ARTICLES_READ))]
Changes = Annotated[Actor, Depends(requires(Permission.ARTICLES_WRITE))]
IfMatch = Annotated[str | None, Header(description='The ETag last seen, such as `"v3"`, or `*`.')]


@router.get("", summary="Read the rules")
async def read_rules(
    _: Reads, response: Response, session: ReportSession, settings: AppSettings
) -> RulesOut:
    """The rules in force. The ETag goes into `If-Match`. Needs the permission articles:read."""
    current = await current_rules(session, settings)
    response.headers["ETag"] = _etag(current)
    return current


@router.put("", summary="Change the rules")
async def change_rules(
    body: RulesIn,
    actor: Changes,
    response: Response,
    changes: AppRuleChanges,
    if_match: IfMatch = None,
) -> RulesOut:
    """Put these rules in force, everywhere within two seconds; repeating changes nothing.

    They replace the former ones whole. 409 `experiment-relies-on-them` where a running experiment compares with what they
    change. Needs the permission articles:write.
    """
    saved = await changes.save(actor, body, after=_version(if_match))
    response.headers["ETag"] = _etag(saved)
    return saved


@router.get("/versions", summary="List the versions of the rules")
async def read_versions(_: Reads, asked: AnyPage, session: ReportSession) -> RulesHistory:
    """All versions, the newest first. Needs the permission articles:read."""
    return RulesHistory.of(await list_versions(session, asked))


@router.get("/versions/{version}", summary="Read one version of the rules", response_model=RulesOut)
async def read_version(
    version: VersionNumber, _: Reads, session: ReportSession, settings: AppSettings
) -> RulesOut | Response:
    """The rules as they were then; of a later release as they are stored, so that they aren't taken for whole and sent back.

    Needs the permission articles:read.
    """
    stored = await rules_of_version(session, version)
    found = await shown(session, stored, settings)
    if found.is_whole:
        return found
    return JSONResponse(found.model_dump(mode="json") | {"rules": stored.document})


@router.post("/recut", summary="Cut all articles anew", status_code=202)
async def begin_recut(actor: Changes, recuts: AppRecuts) -> RecutOut:
    """Make all previews anew by the rules in force, as a job; where one runs already, that one.

    Authors' marks and walls in the texts stay. No article becomes a new version. Needs the permission articles:write.
    """
    return await recuts.ask(actor)


@router.get("/recut", summary="Read how far the last recut is")
async def read_recut(_: Reads, session: ReportSession) -> RecutOut:
    """The last run that cut all articles anew. 404 where there was none. Needs the permission articles:read."""
    return shown_recut(await last_recut(session))


def _etag(rules: RulesOut) -> str:
    return f'"v{rules.version}"'


def _version(if_match: str | None) -> int | None:
    """The version that must be in force; None: any. Raises Problem `rules-changed` for what is none."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().removeprefix('"v').removesuffix('"')
    if not (number.isascii() and number.isdigit() and len(number) <= len(str(2**31))):
        raise Problem("rules-changed")
    return int(number)
