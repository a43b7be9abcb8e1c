"""What the settings say about levels."""

from service.content.level import Rules
from service.content.preview import Limits
from service.settings import Settings


def rules_of(settings: Settings) -> Rules:
    return Rules(settings.default_level, settings.section_levels, settings.tag_levels)


def limits_of(settings: Settings) -> Limits:
    """What the publication's settings allow a preview."""
    return Limits(
        blocks=settings.preview_blocks,
        words=settings.preview_words,
        withheld_percent=settings.preview_withheld_percent,
    )
