"""A word is found however it is written, and nowhere else."""

import base64
import bz2
import codecs
import gzip
import json
import lzma
import time
import zlib
from urllib.parse import quote

import brotli
import pytest

from service.leakcheck.canary import canaries
from service.leakcheck.finding import find, unread

CANARY = next(each for each in canaries("leak0123456789ab") if each.kind == "subscribers")
WORD = CANARY.paid
PAID = f"<p>Then {WORD}, and the end of it all – größer.</p>"
HALVES = (WORD[:9], WORD[9:])


def between(sign: str) -> str:
    return sign.join(WORD)


def hexadecimal(before: str, sign: str) -> str:
    return sign.join(f"{before}{byte:02X}" for byte in PAID.encode())


FOUND = {
    "as it is": (PAID, "in the text"),
    "capitals": (PAID.upper(), "in the text"),
    "UTF-16": (PAID.encode("utf-16"), "in another encoding"),
    "UTF-16, big end first": (PAID.encode("utf-16-be"), "in another encoding"),
    "UTF-32": (PAID.encode("utf-32"), "in another encoding"),
    "Latin-1": (PAID.replace("–", "-").encode("latin-1"), "in the text"),
    "decimal entities": ("".join(f"&#{ord(each)};" for each in WORD), "in escapes"),
    "hexadecimal entities": ("".join(f"&#x{ord(each):X};" for each in WORD), "in escapes"),
    "entities of entities": ("".join(f"&amp;#{ord(each)};" for each in WORD), "in escapes"),
    "percent": ("".join(f"%{ord(each):02x}" for each in WORD), "in escapes"),
    "percent twice": (quote("".join(f"%{ord(each):02x}" for each in WORD)), "in escapes"),
    "JSON": ("".join(f"\\u{ord(each):04x}" for each in WORD), "in escapes"),
    "JSON in JSON": (json.dumps("".join(f"\\u{ord(each):04X}" for each in WORD)), "in escapes"),
    "JavaScript": ("".join(f"\\x{ord(each):02x}" for each in WORD), "in escapes"),
    "JavaScript, with braces": ("".join(f"\\u{{{ord(each):04x}}}" for each in WORD), "in escapes"),
    "one letter escaped": (f"&#{ord(WORD[0])};{WORD[1:]}", "in escapes"),
    "split by tags": ("<b>{}</b><i title='a > b'>{}</i>".format(*HALVES), "between tags"),
    "split by a comment": ("{}<!-- not > yet -->{}".format(*HALVES), "between tags"),
    "split by a script": ("{}<script>let a = 1 < 2</script>{}".format(*HALVES), "between tags"),
    "split by tags in JSON": (json.dumps("<b>{}</b>{}".format(*HALVES)), "between tags"),
    "split by tags that are escaped": ("{}\\u003cb\\u003e{}".format(*HALVES), "between tags"),
    "a tag for each letter": ("".join(f"<i>{each}</i>" for each in WORD), "between tags"),
    "spaces": (between(" "), "between tags"),
    "lines": (between("\r\n"), "between tags"),
    "soft hyphens": (between("\u00ad"), "between tags"),
    "soft hyphens as entities": (between("&shy;"), "between tags"),
    "zero width": (between("\u200b"), "between tags"),
    "joiners": (between("\u2060\ufeff\u200d"), "between tags"),
    "bidi overrides": (f"\u202e{between(chr(0x2066))}\u202c", "between tags"),
    "wide letters": ("".join(chr(ord(each) + 0xFEE0) for each in WORD), "between tags"),
    "accents": (between("\u0301"), "between tags"),
    "added up in a script": ('"{}" + "{}"'.format(*HALVES), "between tags"),
    "a list of parts": (json.dumps(HALVES), "between tags"),
    "entities split by tags": ("".join(f"<i>&#{ord(each)};</i>" for each in WORD), "between tags"),
    "JSON split by tags": ("".join(f"\\u003cb>\\u{ord(each):04x}" for each in WORD), "between tags"),
    "streamed": ("\n".join(json.dumps({"delta": each}) for each in HALVES), "in parts"),
    "streamed letter by letter": (
        "".join(f'data: {{"delta":"\\u{ord(each):04x}"}}\n\n' for each in WORD), "in parts"),
    "streamed with other values": (
        "\n".join(json.dumps({"kind": "text", "delta": each}) for each in HALVES), None),
    "pushed by scripts": ("".join(f'push([1,"{each}"])' for each in HALVES), "in parts"),
    "pushed after an inch": (
        '<p>a 12" pipe</p>' + "".join(f'push([1,"{each}"])' for each in HALVES), "in parts"),
    "pushed in lines, after an inch": (
        "".join(f'<p>a 12" pipe</p>push([1,"{each}"])\n' for each in HALVES), "in parts"),
    "pushed in lines, one after an inch": (
        'push([1,"{}"])\n12" push([1,"{}"])'.format(*HALVES), "in parts"),
    "pushed in lines between inches": (
        "".join(f'12" push([1,"{each}"]) 14"\n' for each in HALVES), "in parts"),
    "pushed after a line with an inch": (
        'a 12" pipe\n' + "".join(f'push([1,"{each}"])' for each in HALVES), "in parts"),
    "pushed with backslashes": (
        "".join(f'push([1,"{each}\\\\"])' for each in HALVES), "in parts"),
    "pushed without end": ('push([1,"{}"])push([1,"{}'.format(*HALVES), "in parts"),
    "with a half in a key": ('{{"{}": "{}"}}'.format(*HALVES), "between tags"),
    "in tags": ("<i a='{}' b='{}'>".format(*HALVES), None),
    "as attributes that follow": ("<i {}\n{}>".format(*HALVES), "between other characters"),
    "backwards": (PAID[::-1], "backwards"),
    "backwards and split": (" ".join(WORD[::-1]), "backwards"),
    "rot13": (codecs.encode(PAID, "rot13"), "in rot13"),
    "hexadecimal": (PAID.encode().hex(), "in hexadecimal"),
    "hexadecimal after a digit": ("a" + PAID.encode().hex(), "in hexadecimal"),
    "hexadecimal with spaces": (hexadecimal("", " "), "in hexadecimal"),
    "hexadecimal with colons": (hexadecimal("", ":"), "in hexadecimal"),
    "an array of bytes": (hexadecimal("0x", ", "), "in hexadecimal"),
    "quoted-printable": (hexadecimal("=", ""), "in hexadecimal"),
    "numbers": (", ".join(str(byte) for byte in PAID.encode()), "in numbers"),
    "numbers without spaces": (json.dumps(list(PAID.encode())), "in numbers"),
    "gzip": (gzip.compress(PAID.encode()), "compressed"),
    "gzip after something": (b"PK.." + gzip.compress(PAID.encode()), "compressed"),
    "half of a gzip": (gzip.compress(PAID.encode() + bytes(range(256)) * 9)[:-20], "compressed"),
    "zlib": (zlib.compress(PAID.encode()), "compressed"),
    "brotli": (brotli.compress(f"{WORD[::2]}{PAID * 2}{WORD[1::2]}".encode()), "compressed"),
    "gzip twice": (gzip.compress(gzip.compress(PAID.encode())), "compressed"),
    "base64 of gzip": (base64.b64encode(gzip.compress(PAID.encode())), "in base64"),
    "base64 of UTF-16": (base64.b64encode(PAID.encode("utf-16-le")), "in base64"),
    "base64 of base64": (base64.b64encode(base64.b64encode(PAID.encode())), "in base64"),
    "base64 of capitals": (base64.b64encode(PAID.upper().encode()), "in base64"),
    "base64 in a mail": (base64.encodebytes(f"{'x' * 50}{PAID}".encode()), "in base64"),
    "base64 in JSON lines": (json.dumps(base64.encodebytes(PAID.encode() * 3).decode()), "in base64"),
    "base64 in an address": (quote(base64.b64encode(PAID.encode()), safe=""), "in base64"),
    "base64 in a file that is compressed": (
        gzip.compress(base64.b64encode(PAID.encode())), "compressed"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "place"), FOUND.values(), ids=FOUND)
def test_a_word_is_found(body: str | bytes, place: str | None) -> None:
    data = body.encode() if isinstance(body, str) else body
    assert find([WORD], data, {}) == place
    another = WORD.replace("0123", "3210")
    assert find([another], data, {}) is None


@pytest.mark.parametrize("before", ["", "ü", "a", "ab", "abc"])
@pytest.mark.parametrize("coded", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("around", ['"{}"', "data:{}", "body{}", "x{}x", "{}"])
def test_base64_is_found_wherever_it_begins(before: str, coded: object, around: str) -> None:
    text = coded(f"{before}{PAID}ÿÿ??>>".encode()).decode().rstrip("=")  # type: ignore[operator]
    assert find([WORD], around.format(text).encode(), {}) == "in base64"


@pytest.mark.parametrize("value", [WORD, WORD.upper(), base64.b64encode(PAID.encode()).decode()])
def test_a_header_is_read_as_the_text_is(value: str) -> None:
    assert find([WORD], b"", {"X-Body": value}) == "in a header"
    assert find([WORD], b"", {value: "x"}) == "in a header"


PACKED = {
    "": PAID.encode(),
    "zstd": bytes.fromhex("28b52ffd04584100000a6e6f20776f7264"),
    "xz": lzma.compress(PAID.encode()),
    "bzip2": bz2.compress(PAID.encode()),
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
}


@pytest.mark.parametrize(("name", "body"), PACKED.items(), ids=PACKED)
def test_what_cannot_be_read_is_named(name: str, body: bytes) -> None:
    assert unread(body) == name


BROKEN = {
    "not gzip": b"\x1f\x8b\x08 and then something else",
    "not brotli": bytes(range(255, 0, -1)),
    "escapes of nothing": b"\\uFFFFFF &#99999999; %u %zz \\x",
    "a bomb": gzip.compress(bytes(1 << 23)),
    "tags without end": b"<" * 100_000 + b"<a 'b" * 10_000,
    "comments and scripts without end": b"<!--a" * 20_000
    + b"--><script>b</script"
    + b"<script>c" * 20_000,
    "one long run": b"a" * 50_000,
    "quotation marks": b'"a' * 50_000 + b'"' + b"\\" * 50_000,
    "a text that never ends": b'"' + b'\\"' * 20_000,
    "JSON in a script": b"JSON.parse('{%s}')" % b",".join([b'\\"a\\":\\"b\\"'] * 5_400),
    "all kinds of bytes": bytes(range(256)) * 400,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_has_no_word(body: bytes) -> None:
    assert find([WORD], body, {}) is None


def time_for(piece: str, times: int) -> float:
    """The processor's, the least of three; each time another text, since an answer is remembered."""
    taken = []
    for attempt in range(3):
        body = f'{times}.{attempt} "{piece * times}'.encode()
        begun = time.process_time()
        assert find([WORD], body, {}) is None
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.parametrize("piece", ['\\"', '\\\\"', '"a', '"\n', "\\", '\\"a\\":\\"b\\",', '" '])
def test_a_longer_text_takes_longer_by_its_length_alone(piece: str) -> None:
    size = 8_000 // len(piece)
    assert time_for(piece, 8 * size) < 24 * time_for(piece, size)


def test_what_is_public_is_no_alarm() -> None:
    page = f"<html><title>{CANARY.public}</title><p>{CANARY.slug} {PAID.replace(WORD, CANARY.public)}</p>"
    assert find(CANARY.secret, page.encode(), {"Link": f"<{CANARY.slug}>"}) is None
