"""What stands before the service in a set-up: pages on an origin of their own, readers, their mail."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from service.db.session import Database
from tests.mailbox import SignInMail, newest_mail
from tests.served import Installation, serving

MAIL_FROM = "Gazette <hello@gazette.example.org>"


def newest_mail_to(made: Installation, address: str) -> SignInMail:
    """The newest sign-in mail to this address."""

    async def look() -> SignInMail:
        database = Database(made.settings.database_url)
        try:
            return await newest_mail(database, address)
        finally:
            await database.dispose()

    # In a thread of its own: Playwright keeps a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, look()).result()


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
