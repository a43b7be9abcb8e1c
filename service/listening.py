"""The port of a serving process, taken before anything else is done, and serving on it."""

import os
import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

LARGEST_PORT = 65_535


class PortRefused(Exception):
    """The port can't be used; the message says why, and the caller what to do."""


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. PortRefused: it is taken, or the address isn't this machine's."""
    if not 1 <= port <= LARGEST_PORT:
        raise PortRefused(f"There is no port {port}: choose one from 1024 to {LARGEST_PORT}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening at once: a second process is told at its start, not after its preparations.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        cause = (
            error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        )
        raise PortRefused(
            f"Port {port} of {host} can't be used ({(cause or 'unknown reason').lower()})."
        ) from error
    return listener


def serve(app: ASGIApp, listener: socket.socket, *, graceful_seconds: int) -> bool:
    """Serve until SIGTERM or Ctrl-C, which finish what is in flight; False: it failed to start."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=graceful_seconds,
    )
    server = uvicorn.Server(config)
    # uvicorn stops gracefully and then lets the signal take its usual effect.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.started
