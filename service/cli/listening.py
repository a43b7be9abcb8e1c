"""The port that a command serves on, taken before anything else is done."""

import os
import socket

from service.cli.running import CommandFailed

LARGEST_PORT = 65_535


def listen(host: str, port: int) -> socket.socket:
    """The bound socket. CommandFailed: the port is taken, or the address isn't this machine's."""
    if not 1 <= port <= LARGEST_PORT:
        raise CommandFailed(f"There is no port {port}: choose one from 1024 to {LARGEST_PORT}.")
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
        raise CommandFailed(
            f"Port {port} of {host} can't be used ({(cause or 'unknown reason').lower()}). "
            "Stop what uses it, or choose others with --host and --port."
        ) from error
    return listener
