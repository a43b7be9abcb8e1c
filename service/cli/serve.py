"""`paywall serve`."""

import asyncio
import socket
import sys
from contextlib import ExitStack
from typing import Annotated

import structlog
import typer

from service import listening, logs
from service.app import create_app
from service.cli.running import CommandFailed, reaching, ready_context, taken_port
from service.clock import Clocks
from service.db.sole_server import sole_server
from service.identity.secrets import derived_key
from service.payments.stripe_gateway import gateway_of_settings
from service.settings import Settings
from service.tokens.keys import ensure_keys

EXAMPLE = "Example: paywall serve --host 0.0.0.0 --port 8000"
GRACEFUL_SECONDS = 15
START_FAILED = 3

log = structlog.get_logger()


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve readers, the API and the back office.

    On SQLite one process at a time; on PostgreSQL start as many as you like, on any machines.
    SIGTERM and Ctrl-C finish what is in flight, within 20 seconds.
    """
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    with ExitStack() as held:
        with reaching(settings):
            held.enter_context(sole_server(settings.database_url))
        listener = held.enter_context(taken_port(host, port))
        asyncio.run(_prepare(settings))
        log.info("serving", host=host, port=port, public_url=settings.public_url)
        _run(settings, listener)


async def _prepare(settings: Settings) -> None:
    """Bring about what the application needs; what is wrong is told before it starts."""
    async with ready_context(settings) as context:
        if context.clocks.offset and settings.environment == "production":
            raise CommandFailed(
                f"A demo has moved this database's time {context.clocks.offset.days} days ahead, and "
                "production serves none whose time was moved. Set PAYWALL_DATABASE_URL to another."
            )
        async with context.database.transaction() as session:
            key = derived_key(settings, "token-keys")
            algorithm = settings.token_algorithm
            await ensure_keys(
                session, algorithm=algorithm, encryption_key=key, now=context.clocks.wall()
            )


def _run(settings: Settings, listener: socket.socket) -> None:
    # The application's lifespan closes the gateway.
    app = create_app(settings, gateway=gateway_of_settings(settings), clocks=Clocks())
    if not listening.serve(app, listener, graceful_seconds=GRACEFUL_SECONDS):
        sys.exit(START_FAILED)
