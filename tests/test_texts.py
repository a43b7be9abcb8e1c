"""What is left of texts from outside, and which are refused."""

import pytest

from service.texts import identifier, number_of, one_line, plain_name, without_signs

SIGNS = "\x00\x07\x1b\x7f\x80\u2060\u2064\ufeff\u202a\u202e\u2066\u2069\U000e0041\ud800"
SCRIPTS = {
    "a soft hyphen": "Donau\u00addampfschiff",
    "a Persian joiner": "می\u200cخواهم",
    "an emoji of several": "👩\u200d💻",
    "a mark of direction": "\u200fשלום\u200e",
    "Arabic's sign of numbers": "\u0600١٢",
    "a flag of tags": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f!",
}
SPACES = {"Khmer's space": "ភាសា\u200bខ្មែរ", "a Mongolian ending": "ᠬᠠᠷ\u180eᠠ"}
HIDDEN_TAGS = {
    "with no flag": "a\U000e0067\U000e0062\U000e0073\U000e007f",
    "not ended": "\U0001f3f4\U000e0067\U000e0062\U000e0073",
    "too many": "\U0001f3f4" + 7 * "\U000e0067" + "\U000e007f",
    "no letters": "\U0001f3f4" + 3 * "\U000e0041" + "\U000e007f",
}


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: f"U+{ord(sign):04X}")
def test_what_nobody_sees_is_left_out_or_refused(sign: str) -> None:
    assert without_signs(f"a{sign}b\nc") == "ab\nc"
    assert one_line(f"{sign} a{sign}b ") == plain_name(f"{sign} a{sign}b ") == "ab"
    with pytest.raises(ValueError, match=f"U\\+{ord(sign):04X}"):
        identifier(f"a{sign}b")


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_what_scripts_are_written_with_stays(text: str) -> None:
    assert without_signs(text) == one_line(text) == plain_name(text) == text


@pytest.mark.parametrize("text", SPACES.values(), ids=SPACES)
def test_spaces_of_no_width_stay_in_texts_and_not_in_names(text: str) -> None:
    assert without_signs(text) == one_line(text) == text
    assert plain_name(text) == "".join(each for each in text if each not in "\u200b\u180e")
    with pytest.raises(ValueError, match="must not contain"):
        identifier(text)


@pytest.mark.parametrize("text", HIDDEN_TAGS.values(), ids=HIDDEN_TAGS)
def test_tags_that_make_no_flag_are_left_out(text: str) -> None:
    assert without_signs(text) == one_line(text) == text[0]


LINE_ENDS = ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"]
BREAKS = [*LINE_ENDS, "\n\n", "\t"]


@pytest.mark.parametrize("sign", BREAKS)
def test_a_line_ends_nowhere_within(sign: str) -> None:
    assert one_line(f"{sign}a{sign}b{sign}") == "a b"
    with pytest.raises(ValueError, match="must not contain"):
        identifier(f"a{sign}b")


@pytest.mark.parametrize("sign", LINE_ENDS)
def test_lines_of_a_text_end_alike(sign: str) -> None:
    assert without_signs(f"a{sign}b\tc") == "a\nb\tc"


def test_a_name_is_what_it_was() -> None:
    assert identifier("KD-004 711/ä") == "KD-004 711/ä"


def test_a_number_agrees_with_its_noun() -> None:
    said = [number_of(each, "failed attempt") for each in (0, 1, 1234)]
    assert said == ["0 failed attempts", "1 failed attempt", "1,234 failed attempts"]
