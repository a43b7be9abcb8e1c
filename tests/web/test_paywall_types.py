"""paywall.d.ts says what the API answers: held equal to its schemas, member by member."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import service.web
from service.access.gift_schemas import GiftMadeOut
from service.access.schemas import AccessOut, MeterOut, UnlockOut, WalledProblem
from service.access.wall import WallShown
from service.account.schemas import (
    GrantItem,
    Profile,
    SessionItem,
    SignInOut,
    SubscriptionItem,
)
from service.checkout.schemas import CheckoutOut
from service.content.teaser_schemas import Teaser, TeaserSummary
from service.offers.schemas import OfferItem

TYPES = Path(service.web.__file__).parent / "static" / "paywall.d.ts"
INTERFACE = re.compile(
    r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL
)
OF_A_PROBLEM = {"type", "title", "status", "detail"}


def members(name: str) -> set[str]:
    found = {each[0]: each[1:] for each in INTERFACE.findall(TYPES.read_text(encoding="utf-8"))}
    base, body = found[name]
    own = set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE))
    return own | (members(base) if base else set())


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Summary", TeaserSummary),
        ("Teaser", Teaser),
        ("Meter", MeterOut),
        ("Offer", OfferItem),
        ("Wall", WallShown),
        ("Access", AccessOut),
        ("Opened", UnlockOut),
        ("GiftMade", GiftMadeOut),
        ("Checkout", CheckoutOut),
        ("SignInRequested", SignInOut),
        ("Session", SessionItem),
        ("Grant", GrantItem),
        ("Profile", Profile),
        ("Subscription", SubscriptionItem),
    ],
)
def test_the_types_are_those_of_the_api(name: str, model: type[BaseModel]) -> None:
    answered = {each for each, field in model.model_fields.items() if not field.exclude}
    assert members(name) == answered


def test_a_wall_is_a_problem_with_more() -> None:
    assert members("Walled") == set(WalledProblem.model_fields) - OF_A_PROBLEM
