"""The back office's stylesheet: the same for everybody, so it may be cached by anybody."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response


@dataclass(frozen=True)
class Stylesheet:
    """The file's bytes; the address changes with them, so an old copy is never used."""

    content: bytes
    tag: str

    @property
    def address(self) -> str:
        return f"/admin/static/admin.css?v={self.tag}"

    def answer(self, request: Request) -> Response:
        """200, or 304 where the browser holds it already."""
        headers = {
            "Cache-Control": "public, max-age=86400",
            "Access-Control-Allow-Origin": "*",
            "Vary": "Accept-Encoding",
            "ETag": f'"{self.tag}"',
        }
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type="text/css", headers=headers)


def _read() -> Stylesheet:
    content = (Path(__file__).parent / "static" / "admin.css").read_bytes()
    return Stylesheet(content, sha256(content).hexdigest()[:16])


STYLESHEET = _read()
