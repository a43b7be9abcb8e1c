"""`paywall serve`."""

import asyncio
from typing import Annotated

import typer
import uvicorn

from service import logs
from service.app import create_app
from service.cli.running import ready_database
from service.clock import Clocks
from service.db.sole_server import sole_server
from service.payments.stripe_gateway import gateway_of_settings
from service.settings import Settings

EXAMPLE = "Example: paywall serve --host 0.0.0.0 --port 8000"
GRACEFUL_SECONDS = 15


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve readers, the API and the back office.

    On SQLite one process at a time; on PostgreSQL start as many as you like, on any machines.
    """
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    with sole_server(settings.database_url):
        asyncio.run(_prepare(settings))
        app = create_app(settings, gateway=gateway_of_settings(settings), clocks=Clocks())
        uvicorn.run(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )


async def _prepare(settings: Settings) -> None:
    async with ready_database(settings):
        pass
