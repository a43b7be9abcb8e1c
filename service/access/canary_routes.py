"""Canaries over HTTP: for the leak check that planted them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from service.access.canaries import delete_canary
from service.content.cache import AppArticles
from service.db.context import AppContext
from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.metering.ledger import Ledger
from service.running import running_of

router = APIRouter(prefix="/v1/admin/canaries", tags=["articles"])


@router.delete("/{slug}", status_code=204, summary="Delete a leak check's article")
async def delete(
    slug: str,
    request: Request,
    actor: Annotated[Actor, Depends(requires(Permission.ARTICLES_WRITE))],
    context: AppContext,
    articles: AppArticles,
) -> None:
    """Delete an article that was made with `leakcheck` in its `source_ids`, and every read and wall of it.

    Reports are as if it had never been there. An article of the newsroom's is refused: it can only be withdrawn.
    """
    ledger = running_of(request).get(Ledger)
    await delete_canary(context, articles, ledger, slug, actor=actor.label)
