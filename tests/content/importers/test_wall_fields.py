"""The fields of a post by which membership plugins close it as a whole, and the names of plans."""

import pytest

from tests.content.importers.exports import article, meta
from tests.content.importers.walls import REGISTERED, SUBSCRIBERS, imported


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("_jetpack_newsletter_access", "everybody", (None, ())),
        ("_jetpack_newsletter_access", "", (None, ())),
        ("_jetpack_newsletter_access", "subscribers", REGISTERED),
        ("_jetpack_newsletter_access", "paid_subscribers", SUBSCRIBERS),
        ("_jetpack_newsletter_access", "some_future_tier", SUBSCRIBERS),
        ("_jetpack_memberships_contains_paid_content", "1", SUBSCRIBERS),
        ("_is_paid", "1", SUBSCRIBERS),
        ("_is_paid", "", (None, ())),
        ("rcp_subscription_level", "any", REGISTERED),
        ("rcp_subscription_level", "any-paid", SUBSCRIBERS),
        ("rcp_subscription_level", 'a:2:{i:0;s:1:"1";i:1;s:1:"3";}', ("subscribers", ("1", "3"))),
        ("rcp_subscription_level", "all", (None, ())),
        ("rcp_user_level", "All", (None, ())),
        ("rcp_user_level", 'a:1:{i:0;s:10:"Subscriber";}', REGISTERED),
        ("rcUserLevel", "Editor", SUBSCRIBERS),
        ("_members_access_role", "editor", SUBSCRIBERS),
        ("_wc_memberships_force_public", "yes", (None, ())),
    ],
)
def test_a_posts_own_fields_set_its_level(
    field: str, value: str, expected: tuple[str | None, tuple[str, ...]]
) -> None:
    made = article(extra=meta(field, value))
    assert (made.level, made.plans) == expected


def test_an_unknown_field_that_looks_like_a_restriction_is_told() -> None:
    (note,) = article(extra=meta("_acme_paywall", "gold") + meta("_acme_restrict", "0")).notes
    assert (note.kind, note.detail) == ("restriction-meta", "_acme_paywall")


def test_a_plan_has_the_name_that_it_has_here() -> None:
    made = imported('open\n\n[membership level="1,Gold Plus"]paid[/membership]')
    assert made.plans == ("1", "gold-plus")
