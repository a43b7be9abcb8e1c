"""`paywall settings`: what holds here, and where it comes from."""

from service.operators.settings.in_force import SettingsInForce
from service.settings import Settings

EXAMPLE = "Example: paywall settings | grep -v default"


def show() -> None:
    """Show all settings with their values and sources. Secrets are hidden."""
    for each in SettingsInForce.of(Settings()).items:
        print(f"{each.source:<11}  {each.name}={each.value}")
