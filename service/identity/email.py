"""E-mail addresses: which are taken, and when two are the same.

Compared are the local part in lower case and the domain in its ASCII form (IDNA), so that
"Ana@BÜCHER.example" and "ana@xn--bcher-kva.example" are one. Nothing else is folded: "straße@" and
"strasse@" are two mailboxes. A local part that NFKC would change is refused, and mail goes to the
compared form alone, so what merely looks like somebody's address never leads to their account.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from email_validator import EmailNotValidError, validate_email

from service.problems import Problem

LONGEST = 254
"""RFC 5321, 4.5.3.1.3, less the angle brackets."""


@dataclass(frozen=True)
class EmailAddress:
    """`text` as people read it, `key` as addresses are compared and mailed to."""

    text: str
    key: str


_DELIVERS_TAGS: Mapping[str, str] = {
    "gmail.com": "gmail.com", "googlemail.com": "gmail.com",
    **{
        domain: domain
        for domain in (
            "outlook.com", "hotmail.com", "live.com", "icloud.com", "me.com", "proton.me",
            "protonmail.com", "fastmail.com", "mailbox.org", "posteo.de", "zoho.com",
        )
    },
}  # fmt: skip
"""Where `ana+anything@` is Ana's mailbox, as these providers document, by the domain they deliver to.
Elsewhere it may be somebody else's.
"""


def mailbox_of(key: str | None) -> str | None:
    """A name of the mailbox that a compared address leads to, if everybody has any number of such addresses.

    The digest names a meter that those addresses share, and nothing else: accounts are never joined by it.
    """
    name, _, domain = (key or "").rpartition("@")
    delivered_to = _DELIVERS_TAGS.get(domain)
    if delivered_to is None:
        return None
    bare = name.partition("+")[0]
    bare = bare.replace(".", "") if delivered_to == "gmail.com" else bare
    return sha256(f"{bare}@{delivered_to}".encode()).hexdigest()[:32]


def turn_of_address(key: str | None) -> str:
    """The key of the turn in which an address is confirmed, changed or erased (db/turns.py)."""
    return f"address:{key}"


def checked_address(text: str) -> EmailAddress:
    """The address in `text`, or the problem `invalid-email`."""
    try:
        return _address(text)
    except EmailNotValidError as error:
        raise Problem("invalid-email") from error


def email_key(text: str | None) -> str | None:
    """How an address that somebody typed elsewhere is compared; None where it is none."""
    try:
        return _address(text or "").key
    except EmailNotValidError:
        return None


def _address(text: str) -> EmailAddress:
    # Longer than any address even before normalising, which is not done for whole novels.
    if len(text) > 4 * LONGEST:
        raise EmailNotValidError("too long")
    typed = text.strip()
    name = typed.rpartition("@")[0]
    if unicodedata.normalize("NFKC", name) != name:
        raise EmailNotValidError("the local part has characters that only look like others")
    found = validate_email(typed, check_deliverability=False)
    return EmailAddress(found.normalized, f"{found.local_part.lower()}@{found.ascii_domain}")
