"""What the settings say about levels."""

from service.content.level import Rules
from service.settings import Settings


def rules_of(settings: Settings) -> Rules:
    return Rules(settings.default_level, settings.section_levels, settings.tag_levels)
