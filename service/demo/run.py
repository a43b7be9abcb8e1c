"""`paywall demo`: the sample newspaper with its local Stripe, on one port, with nothing to set up."""

import asyncio
import os
import shlex
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from service import logs
from service.app import create_app
from service.billing.events import HANDLED
from service.clock import Clocks
from service.db import migrate
from service.db.business_clock import follow
from service.db.context import Context
from service.db.session import Database
from service.db.sole_server import AlreadyServed, sole_server
from service.demo import multitude_fill, routes
from service.demo.history import write as history
from service.demo.history.systems import send_here
from service.demo.history.year import LARGEST_SIZE
from service.demo.newspaper import read_newspaper
from service.demo.place import (
    ENVIRONMENT_FILE,
    STRIPE_DATABASE,
    STRIPE_PATH,
    CannotStart,
    being_invented,
    drop_unfinished,
    settings_in,
    taken_port,
)
from service.demo.seed import OPERATOR, another_password, seed
from service.demo.site import Site
from service.identity.secrets import derived_key
from service.listening import serve
from service.payments.configured import gateway_of_settings
from service.settings import Settings
from service.simulator.app import Simulator, WebhookTarget, create_simulator
from service.tokens.key_pairs import KeyUnreadable
from service.tokens.keys import ensure_keys
from service.web.frame import Frame, Imprint

GRACEFUL_SECONDS = 10


def run_demo(*, port: int, data: Path, scale: int) -> None:
    """Serve until interrupted. CannotStart says in one sentence why it can't.

    `scale`: about how many subscribers the invented history of a new demo has; 0: it has none.
    """
    os.umask(0o077)  # the databases hold addresses of readers
    clocks = Clocks()
    paper = read_newspaper(clocks.business())
    with taken_port(port) as listener:
        settings = settings_in(data, port, name=paper.name, time_zone=paper.time_zone)
        logs.configure(settings.log_level, settings.log_format)
        try:
            with sole_server(settings.database_url):
                drop_unfinished(data)
                simulator = _local_stripe(settings, clocks, data)
                password = _prepared(settings, clocks, simulator, scale, data)
                _greet(settings, data, password)
                imprint = Imprint(paper.tagline, paper.about)
                _serve(settings, clocks, simulator, listener, imprint)
        except (AlreadyServed, migrate.SchemaOutdatedError) as error:
            raise CannotStart(str(error)) from error
        except multitude_fill.RowsChanged as error:
            raise CannotStart(
                f"Another release was interrupted while it filled the demo in {data}: delete the folder and start again."
            ) from error
        except KeyUnreadable as error:
            raise CannotStart(
                f"The data in {data} belongs to other secrets: put its {ENVIRONMENT_FILE} back, or "
                "delete the folder to begin anew."
            ) from error


def _prepared(
    settings: Settings, clocks: Clocks, simulator: Simulator, scale: int, data: Path
) -> str | None:
    try:
        return asyncio.run(_prepare(settings, clocks, simulator, scale, data))
    except KeyboardInterrupt:
        _say("\nInterrupted. To finish it, run the same command again.")
        raise


async def _prepare(
    settings: Settings, clocks: Clocks, simulator: Simulator, scale: int, data: Path
) -> str | None:
    await migrate.prepare(settings.database_url)
    database = Database(settings.database_url)
    try:
        async with database.transaction() as session:
            key = derived_key(settings, "token-keys")
            algorithm = settings.token_algorithm
            await ensure_keys(session, algorithm=algorithm, encryption_key=key, now=clocks.wall())
        await follow(database, clocks)
        context = Context(settings, clocks, database)
        password = await seed(context, read_newspaper(clocks.business()))
        if await multitude_fill.unfinished(context) is not None:
            _say("Inventing what was interrupted …")
            await multitude_fill.invent(context, scale, _say)
            # A start that was interrupted has printed none.
            password = password or await another_password(context)
        elif await history.is_wanted(context, scale):
            simulator.follow(clocks.business())
            await _invent(context, simulator, scale, data)
        # As after a jump: what the history goes on with itself isn't played by the local Stripe.
        await history.go_on(context, simulator)
        await send_here(context)
        simulator.follow(clocks.business())
        return password
    finally:
        await database.dispose()


async def _invent(context: Context, simulator: Simulator, scale: int, data: Path) -> None:
    began = time.monotonic()
    _say(f"Inventing a year of history with about {scale:,} subscribers …")
    if scale > LARGEST_SIZE:
        await multitude_fill.invent(context, scale, _say)
    else:
        with being_invented(data):
            await history.begin(context, simulator, size=scale)
            await history.contest(context, simulator)
    _say(f"That took {time.monotonic() - began:.1f} s.\n")


def _password_lines(data: Path, password: str | None) -> list[tuple[str, str]]:
    if password is not None:
        return [("Password", password)]
    command = f"{shlex.quote(sys.argv[0])} operators reset-password {OPERATOR}"
    environment = shlex.quote(str((data / ENVIRONMENT_FILE).absolute()))
    return [
        ("Password", "as printed at the first start; for a new one run"),
        ("", f"(set -a; . {environment}; {command})"),
    ]


def _greet(settings: Settings, data: Path, password: str | None) -> None:
    lines = [
        f"{settings.publication_name} opens at {settings.public_url}",
        "",
        f"  Back office    {settings.public_url}/admin   as {OPERATOR}",
        *(f"  {label:13}  {text}" for label, text in _password_lines(data, password)),
        f"  Mailbox        {settings.public_url}/mailbox   where links to sign in arrive",
        f"  Local Stripe   {settings.public_url}{STRIPE_PATH}/   test card 4242 4242 4242 4242",
        f"  Data           {data}   (delete the folder to begin anew)",
        "",
        "Stop it with Ctrl-C.",
    ]
    _say("\n".join(lines))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _local_stripe(settings: Settings, clocks: Clocks, data: Path) -> Simulator:
    return create_simulator(
        database=data / STRIPE_DATABASE,
        public_url=f"{settings.public_url}{STRIPE_PATH}",
        wall_now=clocks.wall,
        endpoints=(
            WebhookTarget(
                f"{settings.public_url}/v1/webhooks/stripe",
                settings.stripe_webhook_secret.get_secret_value(),
                events=tuple(HANDLED),
            ),
        ),
    )


def _serve(
    settings: Settings,
    clocks: Clocks,
    simulator: Simulator,
    listener: socket.socket,
    imprint: Imprint,
) -> None:
    app = create_app(
        settings,
        gateway=gateway_of_settings(settings),
        clocks=clocks,
        frame=Frame(imprint, routes.page_bar),
        parts=(simulator,),
    )
    app.include_router(routes.router)
    app.router.lifespan_context = _with_stripe(app, simulator)
    site = Site(app, simulator, settings.public_url)
    serve(site, listener, graceful_seconds=GRACEFUL_SECONDS)


def _with_stripe(
    app: FastAPI, simulator: Simulator
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The application's lifespan, and within it the local Stripe's, on the same loop."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[None]:
        async with inner(served):
            await simulator.start()
            try:
                yield
            finally:
                await simulator.stop()

    return lifespan
