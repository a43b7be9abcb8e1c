"""Files of ours that are the same for everybody, so they may be cached by anybody."""

from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response

from service.html.public_answer import holds


@dataclass(frozen=True)
class StaticFile:
    """A file's bytes; the address changes with them, so an old copy is never used."""

    path: str
    """Where it is served, such as `/static/paywall.js`."""
    media_type: str
    content: bytes

    @property
    def tag(self) -> str:
        return sha256(self.content).hexdigest()[:16]

    @property
    def address(self) -> str:
        return f"{self.path}?v={self.tag}"

    def answer(self, request: Request) -> Response:
        """200, or 304 where the browser holds it already."""
        headers = {
            "Cache-Control": "public, max-age=86400",
            "Access-Control-Allow-Origin": "*",
            "Vary": "Accept-Encoding",
            "ETag": f'"{self.tag}"',
        }
        if holds(request.headers.get("If-None-Match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)
