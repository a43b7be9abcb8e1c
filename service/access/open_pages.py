"""What shows a whole article and counts nothing: a page, or a token."""

from service.content.article import StoredArticle
from service.db.context import Context
from service.metering.ledger import Ledger, entry_at
from service.metering.store import known_device_holder, reader_holder


def note_open_page(
    ledger: Ledger,
    context: Context,
    article: StoredArticle,
    *,
    reader_id: str | None,
    device: str | None,
    reason: str,
    variant: str | None = None,
    audience: str | None = None,
    prompt: str | None = None,
) -> None:
    """Record, once a day, that a page or a token showed the whole article to who may read it.

    `device` is its pseudonym, `variant` what an experiment that this belongs to gives it, `prompt` what was said beside
    the article, `audience` to whom. No meter is looked at where
    a grant or a token opens the article: the reader counts as the holder, whether or not the address is verified.
    """
    if reader_id is not None:
        holder = reader_holder(reader_id)
    elif device is not None:
        holder = known_device_holder(device)
    else:
        return
    ledger.note(
        entry_at(
            context.clocks.business(), context.settings.zone, holder=holder,
            article_id=article.id, reader_id=reader_id, device_id=device, reason=reason, once=True,
            variant=variant, audience=audience, prompt=prompt,
        )
    )  # fmt: skip
