import pytest

from service.content.direction import Direction, direction_of


@pytest.mark.parametrize(
    ("language", "text", "direction"),
    [
        ("ar", "السور", "rtl"),
        ("ar-EG", "", "rtl"),
        ("he", "Latin", "rtl"),
        ("fa-IR", "", "rtl"),
        ("az-Arab", "", "rtl"),
        ("ar-Latn", "", "ltr"),
        ("pa", "", "ltr"),
        ("pt-BR", "السور", "ltr"),
        (None, "السور", "rtl"),
        (None, "2026: «السور»", "rtl"),
        (None, "The wall (السور)", "ltr"),
        (None, "2026", "ltr"),
        (None, "", "ltr"),
    ],
)
def test_a_text_runs_as_its_language_does_or_as_it_begins(
    language: str | None, text: str, direction: Direction
) -> None:
    assert direction_of(language, text) == direction
