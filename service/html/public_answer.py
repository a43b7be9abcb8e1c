"""Answers that are the same for many: encoded once, compressed once, with a validator for each coding.

The ETag is a hash of the public bytes themselves: it tells nothing about the text behind the wall
that the teaser doesn't tell anyway (http-api: validators of a full body never reveal those of the
teaser).
"""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

import brotli
from starlette.requests import Request
from starlette.responses import Response

MAX_AGE = 60
BROWSERS_TAKE = "gzip, deflate, br, zstd"
_LEAST_TO_COMPRESS = 1000
# Measured on articles: brotli's fifth level takes gzip's time and leaves 5 % less; its eleventh leaves 17 % less
# for fifty times the time, zstd in gzip's time as much as gzip. mtime=0: the same content has the same bytes, as
# a strong ETag promises.
_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": partial(brotli.compress, mode=brotli.MODE_TEXT, quality=5),
    "gzip": partial(gzip.compress, compresslevel=6, mtime=0),
}
CODINGS = tuple(_COMPRESSORS)
"""The one that is taken where the caller has no preference first."""


@dataclass(frozen=True, eq=False)
class Document:
    """JSON as it leaves, in the codings that callers have asked for so far."""

    plain: bytes
    _coded: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Bytes in memory, once it was asked for in every coding."""
        return 2 * len(self.plain)

    def coded(self, accept_encoding: str) -> tuple[str, bytes]:
        """The coding for this Accept-Encoding ("": none, or too short for it) and the content in it."""
        coding = coding_for(accept_encoding) if len(self.plain) >= _LEAST_TO_COMPRESS else ""
        if not coding:
            return "", self.plain
        if coding not in self._coded:
            self._coded[coding] = _COMPRESSORS[coding](self.plain)
        return coding, self._coded[coding]


@dataclass(frozen=True, eq=False)
class PublicDocument(Document):
    """One that anybody may see, with the ETag of the plain content."""

    tag: str = field(kw_only=True)


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """`document` as UTF-8 JSON, without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def encode(document: Mapping[str, Any]) -> PublicDocument:
    """`document` as UTF-8 JSON."""
    plain = json_bytes(document)
    return PublicDocument(plain, tag=sha256(plain).hexdigest()[:32])


def max_age(changes_at: datetime | None, now: datetime) -> int:
    """Seconds an answer made at `now` may be kept, when it changes by itself at `changes_at`."""
    if changes_at is None:
        return MAX_AGE
    return max(0, min(MAX_AGE, int((changes_at - now).total_seconds())))


def public_answer(
    request: Request, document: PublicDocument, seconds: int, *, may_be_stale: bool = False
) -> Response:
    """200 with the encoding the caller takes, or 304 where it holds that one already.

    Past its time no cache may give it again, not even while this service is down: the article may not be free
    any more, and the price another one. Range headers are ignored, as RFC 9110, 14.2 allows.
    """
    coding, content = document.coded(request.headers.get("Accept-Encoding", ""))
    tag = f'"{document.tag}-{coding}"' if coding else f'"{document.tag}"'
    headers = {
        "Cache-Control": f"public, max-age={seconds}"
        + ("" if may_be_stale else ", must-revalidate"),
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "Vary": "Accept-Encoding",
    }
    headers["ETag"] = tag
    if holds(request.headers.get("If-None-Match", ""), tag):
        return Response(status_code=304, headers=headers)
    if coding:
        headers["Content-Encoding"] = coding
    headers["Content-Type"] = "application/json"
    headers["Content-Length"] = str(len(content))
    return Response(b"" if request.method == "HEAD" else content, headers=headers)


def compressed_answer(request: Request, document: Document) -> Response:
    """200 with the coding the caller takes, for one caller alone; it has no validator.

    Only for what holds neither a secret nor anything that the caller has sent: by the length of the two
    together, compressed, a secret could be guessed piece by piece (BREACH).
    """
    coding, content = document.coded(request.headers.get("Accept-Encoding", ""))
    headers = {"Content-Encoding": coding} if coding else {}
    headers["Content-Length"] = str(len(content))
    body = b"" if request.method == "HEAD" else content
    return Response(body, headers=headers, media_type="application/json")


def public_redirect(path: str) -> Response:
    """301 to another path of ours; kept no longer than a document, since slugs can come back."""
    headers = {
        "Location": path,
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Access-Control-Allow-Origin": "*",
        "Vary": "Accept-Encoding",
    }
    return Response(status_code=301, headers=headers)


def coding_for(accept_encoding: str) -> str:
    """The coding of ours that an Accept-Encoding header weighs most, itself or as `*`; "": none above 0."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.strip().partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    taken = {name: weights.get(name, weights.get("*", 0.0)) for name in _COMPRESSORS}
    best = max(taken, key=taken.__getitem__)
    return best if taken[best] > 0 else ""


def holds(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names `tag`; compared weakly (RFC 9110, 13.1.2)."""
    held = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in held or "*" in held
