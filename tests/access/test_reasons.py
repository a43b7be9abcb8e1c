"""Each reason has its words, once, and whatever shows one takes them from the table."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

import service
from service.access.reasons import PRECEDENCE, REASONS, Reason, WallReason, operators_words
from service.access.words import readers_words, register_words
from service.grants.grants import Source
from service.levels import Span
from service.metering.window import MeterState, Window

PRODUCT = Path(service.__file__).parent
TABLE = PRODUCT / "access" / "reasons.py"
LISBON = ZoneInfo("Europe/Lisbon")
APRIL = Window(datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 30, 23, tzinfo=UTC))


def names(spelled: object) -> set[str]:
    """Of a union of Literals."""
    found: set[str] = set()
    for each in get_args(spelled):
        found |= {each} if isinstance(each, str) else names(each)
    return found


def test_every_reason_has_words_for_readers_and_operators() -> None:
    assert set(REASONS) == names(Reason)
    for name, row in REASONS.items():
        assert row.name == name
        assert re.fullmatch(r"[A-Z].*\.|[A-Z].*: .*\.", row.readers)
        assert row.operators
        assert row.operators != name
        assert operators_words(name) == row.operators
    assert len({row.readers for row in REASONS.values()}) == len(REASONS)


def test_walls_and_revocable_grants_are_marked() -> None:
    assert {name for name, row in REASONS.items() if not row.granted} == names(WallReason)
    assert {name for name, row in REASONS.items() if row.revocable} == names(Source)


def test_a_subscription_goes_before_a_comp_and_that_before_a_pass() -> None:
    assert PRECEDENCE["free"] < PRECEDENCE["subscription"] < PRECEDENCE["comp"]
    assert PRECEDENCE["comp"] < PRECEDENCE["pass"] < PRECEDENCE["registered"] < PRECEDENCE["meter"]


def test_a_reason_of_a_later_release_is_shown_as_it_is() -> None:
    assert operators_words("loan") == "loan"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (3, "You have read your 3 free articles this month. You get new ones on 1 May 2026."),
        (1, "You have read your 1 free article this month. You get new ones on 1 May 2026."),
        (0, "There are no free articles at the moment."),
    ],
)
def test_a_used_up_meter_is_shown_with_its_figures(limit: int, words: str) -> None:
    state = MeterState(APRIL, limit, frozenset("abc"))
    assert readers_words("meter_exhausted", state, LISBON) == words


@pytest.mark.parametrize(
    ("span", "used_up", "registering"),
    [
        (Span("day"), "today", "today"),
        (Span("week"), "this week", "this week"),
        (Span("rolling", 1), "in this 24-hour period", "in 24 hours"),
        (Span("rolling", 30), "in this 30-day period", "in 30 days"),
    ],
)
def test_words_name_the_window(span: Span, used_up: str, registering: str) -> None:
    state = MeterState(APRIL._replace(span=span), 2, frozenset("ab"))
    assert f"2 free articles {used_up}. " in readers_words("meter_exhausted", state, LISBON)
    assert register_words("meter_exhausted", 5, span) == f"Read 5 more articles {registering}, free"


def test_nothing_but_the_table_spells_a_reason_out() -> None:
    shown = [
        path
        for folder in ("web", "operators", "reports", "outbox")
        for path in (PRODUCT / folder).rglob("*")
        if path.suffix in {".html", ".js", ".py", ".txt"}
    ]
    assert len(shown) > 50
    walls = "|".join(sorted(names(WallReason)))
    for path in shown:
        text = path.read_text(encoding="utf-8")
        assert not re.search(rf"[\"']({walls})[\"']", text), path
        # Words by reason, such as {"comp": "by a comp"}. A report's choice of a meter, the field of a meter's name, and
        # that of an experiment's limit have the name of one.
        grants = re.findall(
            r"[\"'](free|meter|registered|subscription|comp)[\"']\s*:\s*(?!\"(?:Meter\"|Name\"|Limits: ))[\"']",
            text,
        )
        assert not grants, (path, grants)
    for row in REASONS.values():
        spelled = [
            path for path in PRODUCT.rglob("*")
            if path.suffix in {".html", ".js", ".py"} and row.readers in path.read_text("utf-8")
        ]  # fmt: skip
        assert spelled == [TABLE]


def test_the_scripts_types_have_every_reason() -> None:
    types = (PRODUCT / "web" / "static" / "paywall.d.ts").read_text(encoding="utf-8")
    found = re.findall(
        r"^export type (?:WallReason|Source|Reason) =(.*?);", types, re.MULTILINE | re.DOTALL
    )
    assert set(re.findall(r'"(\w+)"', "".join(found))) == names(Reason)
