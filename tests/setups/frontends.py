"""What is before the service in a set-up: pages on an origin of their own, readers, their mail."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.mailbox import SignInMail, newest_mail
from tests.served import Installation, serving

MAIL_FROM = "Gazette <hello@gazette.example.org>"


def newest_mail_to(made: Installation, address: str) -> SignInMail:
    """The newest sign-in mail to this address."""
    return made.in_database(lambda database: newest_mail(database, address))


@contextmanager
def site_with(script: str, port: int) -> Iterator[None]:
    """A site whose pages have `script` as the module `frontend`, in `window`."""

    async def show_script(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    async def show_page(_: Request) -> Response:
        return HTMLResponse(
            '<!doctype html><title>A page</title><link rel="icon" href="data:,">'
            '<script type="module">window.frontend = await import("/frontend.js")</script>'
        )

    routes = [Route("/frontend.js", show_script), Route("/{path:path}", show_page)]
    with serving(Starlette(routes=routes), port):
        yield


def reader_at(address: str, **options: object) -> httpx2.HTTPTransport:
    """Calls from this address of the loopback network, as another machine's would come."""
    return httpx2.HTTPTransport(local_address=address, **options)  # type: ignore[arg-type]
