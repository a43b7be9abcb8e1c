"""`paywall migrate`."""

from service.cli.running import command, reaching
from service.db.migrate import migrate as bring_to_head
from service.settings import Settings

EXAMPLE = "Example: PAYWALL_DATABASE_URL=postgresql://user:password@host/paywall paywall migrate"


@command
async def migrate() -> None:
    """Bring the database to this release's migration; safe to repeat."""
    settings = Settings()
    with reaching(settings):
        before, after = await bring_to_head(settings.database_url, settings.zone)
    if before == after:
        print(f"The database is at {after} already.")
    else:
        print(f"The database was brought from {before or 'nothing'} to {after}.")
