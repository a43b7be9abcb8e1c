"""What is left of texts from outside, and which are refused."""

import pytest

from service.texts import identifier, one_line, without_signs

SIGNS = "\x00\x07\x1b\x7f\x85\u180e\u200b\u2060\u2064\ufeff\u202a\u202e\u2066\u2069\U000e0041\ud800"
SCRIPTS = {
    "a soft hyphen": "Donau\u00addampfschiff",
    "a Persian joiner": "می\u200cخواهم",
    "an emoji of several": "👩\u200d💻",
    "a mark of direction": "\u200fשלום\u200e",
    "Arabic's sign of numbers": "\u0600١٢",
}


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: f"U+{ord(sign):04X}")
def test_what_nobody_sees_is_left_out_or_refused(sign: str) -> None:
    assert without_signs(f"a{sign}b\nc") == "ab\nc"
    assert one_line(f"{sign} a{sign}b ").replace(" ", "") == "ab"
    with pytest.raises(ValueError, match=f"U\\+{ord(sign):04X}"):
        identifier(f"a{sign}b")


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_what_scripts_are_written_with_stays(text: str) -> None:
    assert without_signs(text) == one_line(text) == text


BREAKS = ["\n", "\r\n", "\r", "\u2028", "\u2029", "\n\n", "\t"]


@pytest.mark.parametrize("sign", BREAKS)
def test_a_line_ends_nowhere_within(sign: str) -> None:
    assert one_line(f"{sign}a{sign}b{sign}") == "a b"
    with pytest.raises(ValueError, match="must not contain"):
        identifier(f"a{sign}b")


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\r", "\u2028", "\u2029"])
def test_lines_of_a_text_end_alike(sign: str) -> None:
    assert without_signs(f"a{sign}b\tc") == "a\nb\tc"


def test_a_name_is_what_it_was() -> None:
    assert identifier("KD-004 711/ä") == "KD-004 711/ä"
