"""What is sold."""

from fastapi import APIRouter, Response

from service.db.session import ReadSession
from service.offers.schemas import OfferItem, OfferList
from service.offers.store import live_offers

router = APIRouter(tags=["selling"])


@router.get("/v1/offers")
async def list_offers(response: Response, session: ReadSession) -> OfferList:
    """What a reader can buy, in the order to show. Public, the same for everybody."""
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Vary"] = "Accept-Encoding"
    return OfferList(items=[OfferItem.of(offer) for offer in await live_offers(session)])
