"""What the settings say about previews."""

from service.content.preview import Limits
from service.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """What the publication's settings allow a preview."""
    return Limits(
        blocks=settings.preview_blocks,
        words=settings.preview_words,
        withheld_percent=settings.preview_withheld_percent,
    )
