"""`paywall`, and `python -m service`."""

from service.cli.app import run
from service.logs import configure


def main() -> None:
    """The console script. Commands that serve log more, as their settings say."""
    configure("error", "text")
    run()


if __name__ == "__main__":
    main()
