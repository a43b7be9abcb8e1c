"""Mail domains of institutions: what is refused, and which one an address is at."""

import re

from service.identity.email import email_key

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
EVERYBODYS = frozenset(
    (
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com",
        "icloud.com", "me.com", "aol.com", "gmx.net", "gmx.de", "web.de", "t-online.de", "proton.me",
        "protonmail.com", "mail.com", "mail.ru", "fastmail.com", "mailbox.org", "posteo.de", "zoho.com",
        "qq.com", "163.com", "orange.fr", "free.fr", "libero.it", "sapo.pt", "comcast.net", "yandex.ru",
    )
)  # fmt: skip
"""Mail providers: anybody can have such an address."""


def checked_domain(text: str) -> str:
    """The mail domain as addresses are compared with it. ValueError says in a sentence what is wrong with it."""
    domain = domain_of(email_key(f"x@{text.strip().removeprefix('@')}") or "")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{text} is no mail domain. Write it as university.example.")
    if domain in EVERYBODYS:
        raise ValueError(f"Anybody can have an address at {domain}.")
    return domain


def domain_of(address_key: str) -> str:
    """The domain of an address as addresses are compared (identity/email.py)."""
    return address_key.rpartition("@")[2]
