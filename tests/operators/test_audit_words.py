"""What the audit log's page says of values."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.operators.staff.audit_words import ids_in, value_text

NAMES = {"off_1": "Monthly", "operator:opr_1": "ana@example.org"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "none"), ("", "none"), ([], "none"), ({}, "none"), (0, "0"), (True, "yes"), (False, "no"),
        ("2026-03-10T09:05:00.389375+00:00", "10 Mar 2026, 09:05"), ("digital", "digital"),
        ("off_1", "Monthly"), ("rdr_9", "Reader without e-mail address (rdr_9)"), ("sub", "sub"), ("past_due", "past_due"),
        (["a", "b"], "a; b"), ({"free_hours": 3, "plans": ["a"]}, "free hours: 3, plans: a"),
        ([{"words": {"title": "Stay", "offers": []}}], "words: title: Stay, offers: none"),
        (["sub_1", "sub_2"], "Subscription (sub_1); Subscription (sub_2)"),
        ("sub_1Nab paid twice, gave a month by phone", "sub_1Nab paid twice, gave a month by phone"),
        ("x" * 400, "x" * 400),
    ],
)  # fmt: skip
def test_a_value_is_words(value: Any, said: str) -> None:
    assert value_text(value, NAMES, ZoneInfo("Europe/Lisbon")) == said


def test_the_ids_of_a_value_are_all_looked_up() -> None:
    assert [*ids_in([None, {"a": ["off_1", {"c": "rdr_2"}, "b_" * 99], "e": 1}])] == [
        "off_1",
        "rdr_2",
    ]
