"""Gift links over HTTP, as their givers see them."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel

from service.access.giving import Made, link_address
from service.bodies import ListOut
from service.db.tables import GiftLink
from service.grants.gift_links import state_of
from service.grants.gift_terms import GiftState
from service.grants.link_tokens import LinkKey


class GiftLinkOut(BaseModel):
    """A link of one article. It names neither its giver nor those who came by it."""

    id: str
    slug: str
    gift: str
    """What the link hands to `unlock` as `gift`: frontends with pages of their own make their links of it."""
    url: str
    """The link to the newspaper's page here."""
    state: GiftState
    """`open`; or `used_up`, which opens to those who came before alone; or `expired` or `ended`."""
    readers: int
    """Distinct devices that have opened the article by it."""
    most_readers: int
    created_at: AwareDatetime
    ends_at: AwareDatetime

    @classmethod
    def of(cls, link: GiftLink, slug: str, key: LinkKey, public_url: str, now: datetime) -> Self:
        return cls(
            id=link.id, slug=slug, gift=key.sign(link.id),
            url=link_address(slug, key.sign(link.id), public_url),
            state=state_of(link, now), readers=link.readers, most_readers=link.most_readers,
            created_at=link.created_at, ends_at=link.ended_at or link.ends_at,
        )  # fmt: skip


class GiftMadeOut(GiftLinkOut):
    """A new link."""

    left: int
    """How many more articles the giver may give this month."""

    @classmethod
    def made(cls, made: Made, slug: str, key: LinkKey, public_url: str, now: datetime) -> Self:
        shown = GiftLinkOut.of(made.link, slug, key, public_url, now)
        return cls(**shown.model_dump(), left=made.left)


class GiftLinkList(ListOut[GiftLinkOut]):
    pass
