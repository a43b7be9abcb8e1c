"""Files that are no export, or want to do harm."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO, RawIOBase

import pytest
from defusedxml.ElementTree import fromstring

from service.content.importers.article import Imported, ImportedArticle, Mended
from service.content.importers.mending import Mending
from service.content.importers.wordpress import ExportUnreadable, read_exports
from tests.content.importers.exports import OPTIONS, channel, item

GOOD = channel(item())
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))


def read(data: bytes) -> list[Imported]:
    return list(read_exports([BytesIO(data)], OPTIONS))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"  \n ", "empty, or ends on line 2"),
        (GOOD[:-10], "breaks off on line 8"),
        (GOOD[: GOOD.index(b"Some text")], "breaks off on line 6"),
        (b"\x50\x4b\x03\x04 zip", "archive"),
        (b"\x1f\x8b\x08\x00 gzip", "archive"),
        (b"hello", "no XML: there is text on line 1"),
        (b"\n\n{}", "no XML: there is text on line 3"),
        (GOOD.replace(b"</title>", b"</titel>", 1), "line 3: mismatched tag"),
        (b"\n\n" + GOOD.replace(b"</title>", b"</titel>", 1), "line 5: mismatched tag"),
        (GOOD.replace(b'encoding="UTF-8"', b'encoding="klingon"'), "encoding"),
        (b"<html><body>Sign in</body></html>", "begins with <html>"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "begins with <feed>"),
        (b'<rss version="2.0"><channel><item/></channel></rss>', "wp:wxr_version"),
        (channel("", version="2.0"), "version 2.0"),
    ],
)
def test_what_cannot_be_read_is_named_with_a_remedy(data: bytes, words: str) -> None:
    with pytest.raises(ExportUnreadable) as caught:
        read(data)
    message = str(caught.value)
    assert words in message
    assert any(
        remedy in message.lower()
        for remedy in ("export it again", "export again", "use the", "as utf-8")
    )


def mended(data: bytes) -> dict[str, int]:
    """The repairs by their kind; the file must have one article all the same."""
    found = read(data)
    (made,) = (each for each in found if isinstance(each, ImportedArticle))
    assert made.title == "A headline"
    assert all("{" not in each.reason for each in found if isinstance(each, Mended))
    return {each.kind: each.count for each in found if isinstance(each, Mended)}


def text(source: str) -> str:
    (made,) = (
        each
        for each in read(GOOD.replace(b"<![CDATA[Some text.]]>", source.encode()))
        if isinstance(each, ImportedArticle)
    )
    return made.body


WARNING = b"<br />\n<b>Warning</b>: fopen(x.php): failed on line <b>7</b>\n"


@pytest.mark.parametrize(
    ("data", "repairs"),
    [
        (GOOD, {}),
        (b"\xef\xbb\xbf" + GOOD, {}),
        (WARNING + GOOD, {"text-before": 53}),
        (GOOD + b"<!-- saved -->\n<p>more</p>", {"text-after": 23}),
        (GOOD.replace(b"Some", b"So\x0bm\x00e"), {"control-character": 2}),
        (
            GOOD.replace(b"<![CDATA[Some", b"&#11;&#x1F;&#233;<![CDATA[Some"),
            {"control-character": 2},
        ),
        (GOOD.replace(b"Some", b"caf\xe9 \x93"), {"encoding": 2}),
        (GOOD.replace(b"The Paper", b"Ben & Jerry &c &foo; &amp; a < b"), {"bare-sign": 4}),
        (GOOD.replace(b"The Paper", b"a&nbsp;b &eacute; &hellip;"), {"entity": 3}),
        (
            GOOD.replace(b"</title>", b"</title><atom:link rel='x' href='y:z'/><a:b>c</a:b>", 1),
            {"prefix": 2},
        ),
        (
            GOOD.replace(b"<title>", b'<itunes:x xmlns:itunes="u" wfw:y="b:c"/><title>', 1),
            {"prefix": 1},
        ),
        (GOOD.replace(b' xmlns:dc="http://purl.org/dc/elements/1.1/"', b""), {"prefix": 1}),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 65536])
def test_a_damaged_file_is_mended_and_each_repair_counted(
    data: bytes, repairs: dict[str, int], piece: int
) -> None:
    counts: Counter[str] = Counter()
    reader = Mending(BytesIO(data), lambda _: None, counts)
    whole = b"".join(iter(lambda: reader.read(piece), b""))
    assert counts == repairs
    fromstring(whole)
    assert mended(data) == repairs


def test_what_is_mended_means_what_it_meant() -> None:
    assert text("Ben & Jerry &eacute;t&eacute; &lt;b&gt;x&lt;/b&gt;") == (
        "<p>Ben & Jerry été <b>x</b></p>"
    )
    assert text("<![CDATA[a & b &nbsp; <atom:x> ]]]]><![CDATA[>c]]>").startswith("<p>a & b &nbsp; ")


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE rss>",
        f"<!DOCTYPE rss [{LAUGHS}]>",
        '<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://127.0.0.1:9/evil.dtd"> %p;]>',
    ],
)
@pytest.mark.parametrize("use", ["text", "&l9;", "&f;"])
def test_document_types_and_entities_are_refused(doctype: str, use: str) -> None:
    start, rest = GOOD.decode().split("\n", 1)
    body = rest.replace("<![CDATA[Some text.]]>", use)
    with pytest.raises(ExportUnreadable, match="document type or an entity on line 3"):
        read(f"{start}\n\n{doctype}\n{body}".encode())


def test_a_damaged_file_is_refused_before_anything_comes_out() -> None:
    with pytest.raises(ExportUnreadable):
        next(read_exports([BytesIO(channel(item() * 3)[:-10])], OPTIONS))


@pytest.mark.parametrize("before", [b"\n", b"\r\n \t\n", b"\n" * 100_000, b"\xef\xbb\xbf"])
def test_what_plugins_print_before_the_declaration_does_no_harm(before: bytes) -> None:
    assert len(read(before + GOOD)) == 1


class _Endless(RawIOBase):
    """A large export that exists only while it is read."""

    def __init__(self, count: int) -> None:
        self._parts = GOOD.split(item().encode())
        self._count = count
        self._rest = self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        comment = f"<wp:comment><wp:comment_content>{'c' * 1000}</wp:comment_content></wp:comment>"
        one = item({"wp:post_name": "", "wp:post_id": ""}, extra=comment * 10).encode()
        yield self._parts[0]
        for _ in range(self._count):
            yield one
        yield self._parts[1]

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - one piece at a time is enough
        return next(self._rest, b"")

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:  # noqa: ARG002 - only to the start
        self._rest = self._pieces()
        return 0


def test_memory_does_not_grow_with_the_file() -> None:
    import tracemalloc

    peaks: list[int] = []
    for count in (20, 200):
        tracemalloc.start()
        found = 0
        for result in read_exports([_Endless(count)], OPTIONS):  # type: ignore[list-item]  # reads
            found += isinstance(result, ImportedArticle)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == count
    # 200 such items weigh 2 MB; slugs and the like are all that may stay.
    assert peaks[1] - peaks[0] < 200_000
