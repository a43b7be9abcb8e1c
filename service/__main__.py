"""`paywall`, and `python -m service`."""

from service.cli.app import run


def main() -> None:
    """The console script."""
    run()


if __name__ == "__main__":
    main()
