"""What a test does with an application: routes to answer with, and parts swapped for others."""

from fastapi import APIRouter

from service.running import Running, RunningApp


def add_routes(app: RunningApp, *routers: APIRouter) -> None:
    """Let the application answer these too, as the service takes its own.

    With `include_router` the framework looks at each signature again for every application: that takes
    longer than most tests.
    """
    for router in routers:
        app.router.routes.extend(router.routes)


def exchange(app: RunningApp, *parts: object) -> None:
    """Let the application run with these parts in place of its own of the same class."""
    classes = {type(part) for part in parts}
    app.running = Running(
        *(each for each in app.running.parts if type(each) not in classes), *parts
    )
