"""The command line's entry: `paywall`."""

import sys
from pathlib import Path

from service.demo.place import CannotStart
from service.demo.run import run_demo


def main() -> None:
    args = sys.argv[2:]
    try:
        run_demo(port=int(args[1]), data=Path(args[3]))
    except CannotStart as error:
        sys.exit(str(error))
