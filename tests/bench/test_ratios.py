import pytest

from tests.bench.ratios import compare, repeatable


def test_what_is_the_same_is_told_to_be_the_same() -> None:
    random = repeatable(1)
    seen = compare(
        [random.random() + 1 for _ in range(400)], [random.random() + 1 for _ in range(400)]
    )
    assert seen.ratio == pytest.approx(1, abs=0.05)
    assert seen.longer == pytest.approx(0.5, abs=0.05)
    assert seen.chance > 0.05


def test_a_tenth_more_is_found() -> None:
    random = repeatable(1)
    seen = compare(
        [random.random() + 1.1 for _ in range(400)], [random.random() + 1 for _ in range(400)]
    )
    assert seen.longer > 0.55
    assert seen.chance < 0.01


def test_equal_values_share_their_ranks() -> None:
    assert compare([1, 2, 2, 3], [1, 2, 2, 3]).longer == 0.5
    assert compare([2, 2], [1, 1]).longer == 1
