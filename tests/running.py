"""The parts of an application that a test swaps for others."""

from service.running import Running, RunningApp


def exchange(app: RunningApp, *parts: object) -> None:
    """Let the application run with these parts in place of its own of the same class."""
    classes = {type(part) for part in parts}
    app.running = Running(
        *(each for each in app.running.parts if type(each) not in classes), *parts
    )
