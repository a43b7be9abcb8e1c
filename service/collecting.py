"""Keeping the garbage collector away from what lives as long as the process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """The collector looks through nothing that is made in here, now or later.

    Modules, models and routes are half a million objects: to look through them, even once, takes a tenth of a
    second in which nobody is answered, and writes to pages that forked processes could share.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
