"""Gift links for those who give."""

from fastapi import APIRouter

from service.access.gift_schemas import GiftMadeOut
from service.access.gifts import AppGifts
from service.access.giving import give
from service.content.cache import WantedArticle
from service.db.context import AppContext
from service.db.session import WriteSession
from service.identity.callers import SignedInReader
from service.rules.in_force import AppInForce

router = APIRouter(tags=["gifts"])


@router.post("/v1/articles/{slug}/gift-links", status_code=201, summary="Give an article")
async def make_gift_link(
    caller: SignedInReader,
    article: WantedArticle,
    session: WriteSession,
    context: AppContext,
    in_force: AppInForce,
    gifts: AppGifts,
) -> GiftMadeOut:
    """Make a link that opens the article to others, whatever their meter says.

    It ends the caller's older link of the article. 403 `gift-refused` where the article can't be given.
    """
    made = await give(session, context, in_force, article, caller.reader_id)
    url, now = context.settings.public_url, context.clocks.business()
    return GiftMadeOut.made(made, article.slug, gifts.key, url, now)
