"""What is sold."""

from fastapi import APIRouter, Request, Response

from service.db.session import ReadSession
from service.html.public_answer import MAX_AGE, encode, public_answer
from service.identity.declarations import PUBLIC
from service.offers.schemas import OfferItem, OfferList
from service.offers.store import offers_for_everybody

router = APIRouter(tags=["selling"])


@router.head("/v1/offers", include_in_schema=False, dependencies=[PUBLIC])
@router.get("/v1/offers", response_model=OfferList, dependencies=[PUBLIC])
async def list_offers(request: Request, session: ReadSession) -> Response:
    """What a reader can buy, in the order to show. Public, the same for everybody."""
    items = [OfferItem.of(offer) for offer in await offers_for_everybody(session)]
    return public_answer(request, encode(OfferList(items=items).model_dump()), MAX_AGE)
