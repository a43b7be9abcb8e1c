"""Which coding a caller is answered in."""

import pytest

from service.html.public_answer import CODINGS, coding_for, encode

BEST = CODINGS[0]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", BEST),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=1", BEST),
        ("br;q=0, gzip", "gzip"),
        ("*", BEST),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity", ""),
        ("", ""),
        ("gzip;q=0", ""),
        ("*;q=0", ""),
        ("gzip;q=x", ""),
        ("x-gzip-not", ""),
    ],
)
def test_the_caller_chooses_the_coding(accepted: str, coding: str) -> None:
    assert coding_for(accepted) == coding


def test_what_is_short_stays_plain() -> None:
    assert encode({"a": "x" * 900}).coded("gzip")[0] == ""
    assert encode({"a": "x" * 1000}).coded("gzip")[0] == "gzip"
