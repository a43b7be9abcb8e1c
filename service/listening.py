"""The port that a process serves on, taken before anything else is done."""

import os
import socket

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
