"""The port of a command that serves."""

import socket

from service.cli.running import CommandFailed
from service.listening import PortRefused, listen


def taken_port(host: str, port: int) -> socket.socket:
    """The listening socket; CommandFailed with the remedy where the port can't be had."""
    try:
        return listen(host, port)
    except PortRefused as error:
        raise CommandFailed(
            f"{error} Stop what uses it, or choose others with --host and --port."
        ) from error
