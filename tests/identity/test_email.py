"""Which addresses are taken, and which are the same."""

import pytest

from service.identity.email import checked_address, email_key, mailbox_of
from service.problems import Problem


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ana@example.org", "ana@example.org"),
        ("  Ana@Example.ORG \n", "ana@example.org"),
        ("ana+news@example.org", "ana+news@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("ana@bücher.example.org", "ana@xn--bcher-kva.example.org"),
        ("ana@BÜCHER.example.org", "ana@xn--bcher-kva.example.org"),
        ("ana@xn--bcher-kva.example.org", "ana@xn--bcher-kva.example.org"),
        ("ana@ｅｘａｍｐｌｅ.org", "ana@example.org"),
        ("straße@example.org", "straße@example.org"),
        ("STRAẞE@example.org", "straße@example.org"),
        ("STRASSE@example.org", "strasse@example.org"),
        ("JOSÉ@example.org", "josé@example.org"),
        ("ΣΊΣΥΦΟΣ@example.org", "σίσυφος@example.org"),
        ("ana@straße.example.org", "ana@xn--strae-oqa.example.org"),
    ],
)  # fmt: skip
def test_addresses_that_are_the_same(text: str, key: str) -> None:
    assert checked_address(text).key == key
    assert email_key(text) == key
    assert checked_address(key).key == key


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "ana", "@example.org", "ana@", "ana@@example.org", "ana@example", "ana@-example.org",
        "ana@example..org", ".ana@example.org", "ana.@example.org", "a b@example.org", '"a b"@example.org',
        '"ana"@example.org', "ana@[127.0.0.1]", "ana@127.0.0.1", "Ana <ana@example.org>",
        "ana@example.org, ben@example.org", "ana@example.org\nBcc: ben@example.org", "ana\x00@example.org",
        "ana\u200b@example.org", "ana\u202e@example.org", "ana@exam\x7fple.org", "a" * 300 + "@example.org",
        "ana@" + "a" * 300 + ".org", "x" * 100_000, "ana@example.org?subject=x", "\ud800@example.org",
        # What NFKC changes only looks like another mailbox: it is refused, never folded.
        "ａｎａ@example.org", "ana＠example.org", "ﬁona@example.org", "jose\u0301@example.org", "\u212aim@example.org",
        "ru\u017fs@example.org", "x\u00b2@example.org",
    ],
)  # fmt: skip
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(Problem) as caught:
        checked_address(text)
    assert caught.value.slug == "invalid-email"
    assert email_key(text) is None


def test_nothing_typed_is_no_address() -> None:
    assert email_key(None) is None


def test_what_people_read_keeps_their_spelling() -> None:
    assert checked_address("Ana@Bücher.example.org").text == "Ana@bücher.example.org"


SAME_MAILBOX = (
    ("ana@gmail.com", "ana+paper@gmail.com"),
    ("ana@gmail.com", "a.n.a@googlemail.com"),
    ("ana+1@gmail.com", "a.na+2@gmail.com"),
    ("ana@proton.me", "ana+x@proton.me"),
)
OTHER_MAILBOX = (
    ("ana@gmail.com", "ben@gmail.com"),
    ("ana@gmail.com", "anna+ana@gmail.com"),
    ("ana@gmail.com", "ana@outlook.com"),
    ("a.na@outlook.com", "ana@outlook.com"),
)
NOBODY_KNOWS = ("ana@example.org", "ana+paper@example.org", "ana@gmail.com.example.org", "", None)


@pytest.mark.parametrize(("one", "other"), SAME_MAILBOX)
def test_tags_lead_to_one_mailbox(one: str, other: str) -> None:
    assert mailbox_of(one) == mailbox_of(other) is not None


@pytest.mark.parametrize(("one", "other"), OTHER_MAILBOX)
def test_two_people_have_two_mailboxes(one: str, other: str) -> None:
    assert mailbox_of(one) != mailbox_of(other)


@pytest.mark.parametrize("key", NOBODY_KNOWS)
def test_elsewhere_a_tag_may_be_a_name(key: str | None) -> None:
    assert mailbox_of(key) is None
