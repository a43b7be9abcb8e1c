"""What a right from elsewhere is matched by, as keyed hashes: nobody reads addresses or numbers out of them. Pure.

Account number and postcode are hashed together, and so are name and postcode: one of them alone finds nothing.
"""

import unicodedata
from dataclasses import dataclass, field
from hmac import digest


@dataclass(frozen=True)
class MatchKey:
    """What is hashed with; `secret` is 32 bytes for this purpose alone."""

    secret: bytes = field(repr=False)

    def email(self, address_key: str) -> str:
        """Of an address as addresses are compared (identity/email.py)."""
        return self._hash("email", address_key)

    def account(self, number: str, postcode: str) -> str | None:
        """None where either has no letter or digit."""
        return self._pair("account", plain(number), plain(postcode))

    def name(self, name: str, postcode: str) -> str | None:
        """None where either has no letter or digit."""
        return self._pair("name", plain(name), plain(postcode))

    def number(self, text: str) -> str:
        """Of an account number alone: to count by and to know again, never to find by."""
        return self._hash("number", plain(text))

    def _pair(self, kind: str, first: str, second: str) -> str | None:
        return self._hash(kind, f"{first}\n{second}") if first and second else None

    def _hash(self, kind: str, text: str) -> str:
        return digest(self.secret, f"{kind}\n{text}".encode(), "sha256").hex()


def nobody_finds(*, email: str, account_number: str, name: str, postcode: str) -> str:
    """Why no reader can ever have a right that is sent with these; empty where one can."""
    numbers = plain(account_number) or plain(name)
    if email or (numbers and plain(postcode)):
        return ""
    if numbers:
        return "account_number and name need a postcode"
    return "nobody can be found by it: give email, or account_number or name with postcode"


def plain(text: str) -> str:
    """Letters and digits alone, without case and accents: as people type what is printed on a label.

    `KD-004 711` and `kd004711` are one number; leading zeros count.
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in folded if each.isalnum())
