"""One port for all: the service, and the local Stripe below `/_stripe`."""

from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from service.demo.place import STRIPE_PATH
from service.identity.origins import AnswerHeaders, OriginPolicy
from service.simulator.app import Simulator

HOOKS = "/_sim/"
"""Below the local Stripe's root: for scripts, never for another site's pages."""


class Site:
    """ASGI: sends each request where it belongs, and other names of this machine to the one origin.

    Cookies, tokens and allowed origins belong to one host: `localhost` would be another.
    """

    def __init__(self, app: FastAPI, simulator: Simulator, origin: str) -> None:
        self._app = app
        self._simulator = simulator
        # They ask for no key: without this any page in the browser could move the clock.
        self._hooks = OriginPolicy(simulator, AnswerHeaders((origin,)))
        self._origin = origin
        self._host = urlsplit(origin).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if Headers(scope=scope).get("host", self._host).startswith("localhost"):
            query = scope["query_string"].decode("latin-1")
            target = f"{self._origin}{path}?{query}" if query else f"{self._origin}{path}"
            await RedirectResponse(target, 307)(scope, receive, send)
        elif path == STRIPE_PATH or path.startswith(f"{STRIPE_PATH}/"):
            inner = {**scope, "path": path.removeprefix(STRIPE_PATH) or "/", "root_path": ""}
            inner["raw_path"] = inner["path"].encode()
            is_hook = inner["path"].startswith(HOOKS)
            await (self._hooks if is_hook else self._simulator)(inner, receive, send)
        else:
            await self._app(scope, receive, send)
