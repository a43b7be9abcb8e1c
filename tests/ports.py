"""Ports for servers of the tests."""

import contextlib
import fcntl
import os
import socket
import tempfile
from pathlib import Path

FIRST_PORT = 20_000
PORTS = 12_000


def free_port() -> int:
    """A port that nobody listens on, below those that systems give to outgoing connections.

    One of theirs could be taken by any client between this and the start of a server. The processes
    of a test run take turns through one file, so that no two are given the same.
    """
    turns = Path(tempfile.gettempdir()) / f"paywall-test-ports-{os.getuid()}"
    with turns.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        while True:
            file.seek(0)
            port = FIRST_PORT + (int(file.read() or 0) + 1) % PORTS
            file.truncate(0)
            file.write(str(port - FIRST_PORT))
            file.flush()
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
