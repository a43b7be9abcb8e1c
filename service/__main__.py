"""`paywall`, and `python -m service`."""

import sys

from service.cli.app import PARTS, run


def main() -> None:
    """The console script. Commands that serve log more, as their settings say."""
    if PARTS.keys() & sys.argv[1:2]:
        from service.logs import configure  # noqa: PLC0415 a list of commands logs nothing

        configure("error", "text")
    run()


if __name__ == "__main__":
    main()
