"""The ceilings that reading is compared with: one prepared answer from raw ASGI, or from bare FastAPI.

python -m tests.bench.plain raw|bare PORT ANSWER WORKERS     ANSWER: a file as `Answer.save` writes it
"""

import json
import socket
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.listening import collect_rarely, listen
from service.workers import supervise


@dataclass(frozen=True)
class Answer:
    """What one request was answered by the product: the same bytes come from the ceilings."""

    method: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def save(self, file: Path) -> None:
        file.write_text(json.dumps({**vars(self), "body": b64encode(self.body).decode()}))

    @classmethod
    def load(cls, file: Path) -> "Answer":
        read = json.loads(file.read_text())
        headers = tuple((name, value) for name, value in read["headers"])
        return cls(read["method"], read["status"], headers, b64decode(read["body"]))


def raw(answer: Answer) -> ASGIApp:
    """Nothing but the protocol; the body of a request is read."""
    start = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [(name.encode(), value.encode()) for name, value in answer.headers],
    }
    body = {"type": "http.response.body", "body": answer.body}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for said in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{said}.complete"})
            return
        if answer.method == "POST":
            while (await receive()).get("more_body"):
                pass
        await send(start)
        await send(body)

    return app


def bare(answer: Answer) -> ASGIApp:
    """One FastAPI route with a typed parameter and ready bytes."""
    app = FastAPI(openapi_url=None)
    headers = dict(answer.headers)

    async def article(slug: str) -> Response:
        return Response(answer.body, answer.status, headers)

    app.add_api_route("/v1/articles/{slug}", article, methods=[answer.method])
    app.add_api_route("/v1/articles/{slug}/{act}", article, methods=[answer.method])
    return app


def serve_as_is(app: ASGIApp, listener: socket.socket) -> bool:
    """Serve by uvicorn as it comes: what the service's own server adds or saves is none of the ceiling's."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, loop="uvloop", http="httptools", lifespan="on", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=1,
        )
    )  # fmt: skip
    collect_rarely()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.started


if __name__ == "__main__":
    kind, port, file, count = sys.argv[1:]
    made = {"raw": raw, "bare": bare}[kind](Answer.load(Path(file)))
    listener = listen("127.0.0.1", int(port))

    def work(_: int) -> int:
        return 0 if serve_as_is(made, listener) else 1

    if int(count) == 1:
        work(1)
    else:
        supervise(listener, work, int(count), patience=5)
