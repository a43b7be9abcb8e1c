"""Answers that are the same for everybody: encoded once, with a validator for each encoding.

The ETag is a hash of the public bytes themselves: it tells nothing about the text behind the wall
that the teaser doesn't tell anyway (http-api: validators of a full body never reveal those of the
teaser).
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

MAX_AGE = 60
_LEAST_TO_COMPRESS = 1000


@dataclass(frozen=True)
class PublicDocument:
    """JSON as it leaves: plain, compressed (None: too short for it), and the plain one's ETag."""

    plain: bytes
    gzipped: bytes | None
    tag: str


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """`document` as UTF-8 JSON, without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def encode(document: Mapping[str, Any]) -> PublicDocument:
    """`document` as UTF-8 JSON."""
    plain = json_bytes(document)
    # mtime=0: the same content has the same bytes, as a strong ETag promises.
    gzipped = gzip.compress(plain, 6, mtime=0) if len(plain) >= _LEAST_TO_COMPRESS else None
    return PublicDocument(plain, gzipped, sha256(plain).hexdigest()[:32])


def max_age(changes_at: datetime | None, now: datetime) -> int:
    """Seconds an answer made at `now` may be kept, when it changes by itself at `changes_at`."""
    if changes_at is None:
        return MAX_AGE
    return max(0, min(MAX_AGE, int((changes_at - now).total_seconds())))


def public_answer(request: Request, document: PublicDocument, seconds: int) -> Response:
    """200 with the encoding the caller takes, or 304 where it holds that one already.

    Range headers are ignored, as RFC 9110, 14.2 allows.
    """
    content, tag = document.plain, f'"{document.tag}"'
    headers = {
        "Cache-Control": f"public, max-age={seconds}",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "Vary": "Accept-Encoding",
    }
    if document.gzipped is not None and accepts_gzip(request.headers.get("Accept-Encoding", "")):
        content, tag = document.gzipped, f'"{document.tag}-gzip"'
        headers["Content-Encoding"] = "gzip"
    headers["ETag"] = tag
    if holds(request.headers.get("If-None-Match", ""), tag):
        headers.pop("Content-Encoding", None)
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = "application/json"
    headers["Content-Length"] = str(len(content))
    return Response(b"" if request.method == "HEAD" else content, headers=headers)


def public_redirect(path: str) -> Response:
    """301 to another path of ours; kept no longer than a document, since slugs can come back."""
    headers = {
        "Location": path,
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Access-Control-Allow-Origin": "*",
        "Vary": "Accept-Encoding",
    }
    return Response(status_code=301, headers=headers)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip, or everything, with a weight above 0."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.strip().partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def holds(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names `tag`; compared weakly (RFC 9110, 13.1.2)."""
    held = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in held or "*" in held
