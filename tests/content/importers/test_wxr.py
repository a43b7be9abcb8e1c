"""Files that are no export, or want to do harm."""

from collections.abc import Iterator
from io import BytesIO, RawIOBase

import pytest

from service.content.importers.wordpress import ExportUnreadable, ImportedArticle, read_export
from tests.content.importers.exports import NOW, channel, item

GOOD = channel(item())
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))


def read(data: bytes) -> list[object]:
    return list(read_export(BytesIO(data), now=NOW))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"  \n ", "empty, or ends on line 2"),
        (GOOD[:-10], "breaks off on line 8"),
        (GOOD[: GOOD.index(b"Some text")], "breaks off on line 6"),
        (b"\x50\x4b\x03\x04 zip", "line 1"),
        (b"hello", "line 1"),
        (b"{}", "line 1"),
        (GOOD.replace(b"Some text.", b"Some\n text \x0b here"), "character on line 7"),
        (GOOD.replace(b"Some text.", b"Some text \xff\xfe."), "character on line 6"),
        (GOOD.replace(b"<![CDATA[Some text.]]>", b"Ben & Jerry"), "character on line 6"),
        (GOOD.replace(b"<![CDATA[Some text.]]>", b"a&nbsp;b"), "entity on line 6"),
        (GOOD.replace(b"</title>", b"</titel>", 1), "line 3: mismatched tag"),
        (b"\n\n" + GOOD.replace(b"</title>", b"</titel>", 1), "line 5: mismatched tag"),
        (GOOD + b"<p>more</p>", "line 9: junk after document element"),
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
        remedy in message for remedy in ("xport it again", "export again", "use the", "UTF-8")
    )


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
        next(read_export(BytesIO(channel(item() * 3)[:-10]), now=NOW))


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
    for count in (50, 500):
        tracemalloc.start()
        found = 0
        for result in read_export(_Endless(count), now=NOW):  # type: ignore[arg-type]  # reads
            found += isinstance(result, ImportedArticle)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == count
    # 500 such items weigh 5 MB; slugs and the like are all that may stay.
    assert peaks[1] - peaks[0] < 500_000
