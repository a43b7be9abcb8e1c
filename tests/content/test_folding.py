import pytest

from service.content.folding import folded


@pytest.mark.parametrize(
    ("written", "sought"),
    [
        ("Économie", "economie"),
        ("E\u0301conomie", "économie"),
        ("São João", "SAO JOAO"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("cœur", "coeur"),
        ("l’eau", "l'eau"),
        ("Ελλάδα", "ελλαδα"),
        ("йод", "иод"),
        ("أَخبار", "اخبار"),
        ("ｗｉｄｅ", "wide"),
        ("한국", "한국"),
    ],
)
def test_case_and_accents_make_no_difference(written: str, sought: str) -> None:
    assert folded(written) == folded(sought)


@pytest.mark.parametrize(
    ("one", "another"), [("か", "が"), ("कि", "का"), ("a b", "ab"), ("n", "m"), ("ハ", "パ")]
)
def test_other_letters_stay_others(one: str, another: str) -> None:
    assert folded(one) != folded(another)
