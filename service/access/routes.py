"""May I read this, read it, and read it by a token. Unlocking is a POST: it counts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.access.answers import UnlockAnswers, access_answer
from service.access.full import read_by_token
from service.access.read import WantedRead
from service.access.revocations import Revocations
from service.access.schemas import (
    AccessOut,
    AccessQuery,
    FullOut,
    UnlockIn,
    UnlockOut,
    WalledProblem,
)
from service.access.unlock import AppUnlocking
from service.content.cache import AppArticles
from service.db.context import AppContext
from service.db.session import ReadSession
from service.html.public_answer import compressed_answer
from service.identity.callers import IsPrefetch
from service.identity.declarations import PUBLIC
from service.identity.handover import remember_device
from service.metering.ledger import Ledger
from service.problems import Problem
from service.rules.in_force import RuleBook
from service.running import running_of
from service.settings import AppSettings
from service.tokens.signing import bearer_token
from service.tokens.verifier import TokenVerifier

router = APIRouter(prefix="/v1/articles", tags=["reading"])


@router.get("/{slug}/access")
async def read_access(
    read: WantedRead,
    asked: Annotated[AccessQuery, Query()],
    request: Request,
    session: ReadSession,
    unlocking: AppUnlocking,
    settings: AppSettings,
) -> AccessOut:
    """What unlocking would answer, without any effect, to a reader who came from there."""
    touch = asked.touch(request.headers.get("Referer"), settings)
    return access_answer(await unlocking.look(session, read._replace(gift=asked.gift), touch))


@router.post(
    "/{slug}/unlock",
    response_model=UnlockOut,
    responses={402: {"model": WalledProblem, "description": "Walled: the answer has the wall."}},
)
async def unlock_article(
    read: WantedRead,
    request: Request,
    prefetch: IsPrefetch,
    body: UnlockIn | None = None,
) -> Response:
    """Read the article: counted where the meter opens it, once a window however often it is read.

    402 with the wall where it stays closed; nothing is counted then.
    """
    if prefetch:
        raise Problem("not-a-read")
    answers = running_of(request).get(UnlockAnswers)
    answered = await answers.answer(read, body or UnlockIn(), request.headers.get("Referer"))
    response = Response(answered.body, answered.status, media_type=answered.media_type)
    remember_device(request, response, read.caller, answered.device)
    return response


@router.head("/{slug}/full", include_in_schema=False, dependencies=[PUBLIC])
@router.get("/{slug}/full", response_model=FullOut, dependencies=[PUBLIC])
async def read_full(
    slug: str,
    request: Request,
    articles: AppArticles,
    context: AppContext,
) -> Response:
    """The whole article for the holder of an unlock or an access token; no meter, no cookie.

    401 for a token that isn't valid, 403 for one that doesn't cover the article.
    """
    running = running_of(request)
    token = bearer_token(request)
    if token is None:
        raise Problem(
            "unauthenticated",
            "Send the unlock token or an access token as `Authorization: Bearer …`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    claims = running.get(TokenVerifier).verify(token, context.clocks.wall())
    article = read_by_token(
        await articles.get(context.database, slug),
        slug,
        claims,
        revocations=running.get(Revocations),
        ledger=running.get(Ledger) if request.method == "GET" else None,
        context=context,
        in_force=running.get(RuleBook).in_force,
    )
    # The token came in a header and isn't in the answer, which depends on the article alone.
    return compressed_answer(request, articles.full(article, context.clocks.business()))
