"""What is said beside an article by the free articles that are left, and what a counted read carries of it."""

from hypothesis import given
from hypothesis import strategies as st

from service.access.notices import Beside
from service.metering.attempt import by_left
from service.offers.on_sale import Assortment
from service.rules.prompts import Prompt

LEFT = st.none() | st.integers(0, 1000)


@given(st.lists(LEFT, max_size=6), st.integers(0, 1001))
def test_a_read_carries_the_prompts_that_are_first_for_some_number_left(
    bounds: list[int | None], left: int
) -> None:
    fitting = [
        Prompt(str(n), "-", "", place="countdown", left_at_most=each)
        for n, each in enumerate(bounds)
    ]
    beside = Beside.of("anonymous", fitting, Assortment((), ()), known=False)
    assert by_left(beside.prompts, left) == by_left(fitting, left)
    assert len(beside.said) <= len(fitting)
