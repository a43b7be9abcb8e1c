"""`paywall serve`."""

import asyncio
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import structlog
import typer
from sqlalchemy import make_url

from service import counters, listening, logs, workers
from service.app import Service, create_app, make_all_routes
from service.cli.port import taken_port
from service.cli.running import CommandFailed, new_context, reaching, ready
from service.clock import Clocks
from service.db.context import Context, context_in
from service.db.sole_server import sole_server
from service.identity.secrets import derived_key
from service.jobs.runner import Background
from service.payments.configured import (
    gateway_of_settings,
    import_gateway,
    late_gateway_of_settings,
)
from service.rules.in_force import rules_in_force
from service.settings import Settings
from service.tokens.keys import ensure_keys

EXAMPLE = "Example: paywall serve --host 0.0.0.0 --port 8000"
GRACEFUL_SECONDS = 12
"""For answers; the application takes `LONGEST_CLOSE_SECONDS` more."""
LONGEST_END_SECONDS = 18.0
"""Of all workers together, before those that are left are killed."""
START_FAILED = 3
MOST_WORKERS = 64

log = structlog.get_logger()


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    count: Annotated[
        int,
        typer.Option(
            "--workers", min=1, max=MOST_WORKERS,
            help="Number of serving processes. On PostgreSQL, use one per core.",
        ),
    ] = 1,
) -> None:  # fmt: skip
    """Serve readers, the API and the back office.

    On SQLite one process at a time; on PostgreSQL start as many as you like, on any machines.
    SIGTERM and Ctrl-C finish what is in flight, within 20 seconds. A worker that dies is replaced;
    where none of them can start, the command ends with an error.
    """
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    with ExitStack() as held:
        with reaching(settings):
            held.enter_context(sole_server(settings.database_url))
            _check_count(settings, count)
            context = new_context(settings)
        listener = held.enter_context(taken_port(host, port))
        alone = _alone(settings) if count == 1 else None
        if alone:
            # The application's own database need not compile these statements again.
            context = context_in(alone.running)
        asyncio.run(_prepare(context))
        log.info("serving", host=host, port=port, public_url=settings.public_url, workers=count)
        ended_by = None
        if alone:
            code = _run(alone, listener)
        else:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="paywall-")))
            ended_by, code = _run_workers(settings, listener, folder, count), 0
    if ended_by == signal.SIGTERM:
        signal.raise_signal(ended_by)  # as one process ends: a service manager sees what ended it
    sys.exit(code)


def _check_count(settings: Settings, count: int) -> None:
    if count > 1 and make_url(settings.database_url).get_backend_name() == "sqlite":
        raise CommandFailed(
            f"SQLite takes one serving process, and --workers {count} asks for more. Leave --workers out, or "
            "use PostgreSQL: PAYWALL_DATABASE_URL=postgresql://user:password@host/name."
        )


def _alone(settings: Settings) -> Service:
    """The application of a process that serves by itself."""
    gateway = late_gateway_of_settings(settings)
    return create_app(settings, gateway=gateway, clocks=Clocks(), whole=False)


async def _prepare(context: Context) -> None:
    """Bring about what the application needs; what is wrong is told before it starts."""
    settings = context.settings
    async with ready(context):
        if context.clocks.offset and settings.environment == "production":
            raise CommandFailed(
                f"A demo has moved this database's time {context.clocks.offset.days} days ahead, and "
                "production serves none whose time was moved. Set PAYWALL_DATABASE_URL to another."
            )
        await rules_in_force(settings, context.database)
        async with context.database.transaction() as session:
            key = derived_key(settings, "token-keys")
            algorithm = settings.token_algorithm
            await ensure_keys(
                session, algorithm=algorithm, encryption_key=key, now=context.clocks.wall()
            )


def _run(app: Service, listener: socket.socket) -> int:
    """Serve in this process; the exit code. The application's lifespan closes its gateway."""
    background = app.running.get(Background)
    started = listening.serve(
        app, listener, graceful_seconds=GRACEFUL_SECONDS, has_failed=lambda: background.has_failed
    )
    return 0 if started else START_FAILED


def _run_workers(
    settings: Settings, listener: socket.socket, folder: Path, count: int
) -> signal.Signals:
    """Serve in `count` processes, which take their connections from one queue; what ended them.

    CommandFailed: none of them can.
    """

    def work(number: int) -> int:
        counters.share_counters(folder, number)
        app = create_app(settings, gateway=gateway_of_settings(settings), clocks=Clocks())
        return _run(app, listener)

    # Workers share what was made before they were forked; alone, each would have its own.
    make_all_routes()
    import_gateway(settings)
    ended_by = workers.supervise(listener, work, count, patience=LONGEST_END_SECONDS)
    if ended_by is None:
        raise CommandFailed(
            "None of the workers could start. The log says why at `worker.failed`, `worker.ended` and "
            "`worker.not_started`: mend that, and run the command again."
        )
    return ended_by
