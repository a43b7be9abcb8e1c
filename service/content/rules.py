"""What the settings say about levels."""

from service.content.level import Rules
from service.settings import Settings


def rules_of(settings: Settings) -> Rules:
    return Rules(default=settings.default_level)
