"""Who may call a route, and who may do what: pure types, tables of roles and scopes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Permission(StrEnum):
    """What an operator or an API key may do.

    `keys` are API keys, `system` is what runs by itself: webhooks and their deliveries. `staff` comes
    with every role and key: the own account, and to learn that an address doesn't exist.
    """

    STAFF = "staff"
    ARTICLES_READ = "articles:read"
    ARTICLES_WRITE = "articles:write"
    DECISIONS_READ = "decisions:read"
    OFFERS_READ = "offers:read"
    OFFERS_WRITE = "offers:write"
    SUBSCRIBERS_READ = "subscribers:read"
    SUBSCRIBERS_WRITE = "subscribers:write"
    REPORTS_READ = "reports:read"
    REPORTS_WRITE = "reports:write"
    OPERATORS_READ = "operators:read"
    OPERATORS_WRITE = "operators:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    AUDIT_READ = "audit:read"
    SYSTEM_READ = "system:read"
    SYSTEM_WRITE = "system:write"


PERMISSION_WORDS: Mapping[Permission, str] = {
    Permission.STAFF: "Use the own account",
    Permission.ARTICLES_READ: "Read articles, drafts and withdrawn ones included",
    Permission.ARTICLES_WRITE: "Publish, change and withdraw articles",
    Permission.DECISIONS_READ: "See why an article is open or closed to a reader or a browser",
    Permission.OFFERS_READ: "See what is and was sold, and how much of it",
    Permission.OFFERS_WRITE: "Make offers, rename them and end them",
    Permission.SUBSCRIBERS_READ: "See readers, what they bought and what they read",
    Permission.SUBSCRIBERS_WRITE: "Give readers access or money back, and change their address",
    Permission.REPORTS_READ: "See the figures",
    Permission.REPORTS_WRITE: "Enter the figures of Stripe and exchange rates",
    Permission.OPERATORS_READ: "See who has an account in the back office",
    Permission.OPERATORS_WRITE: "Make operators, change their role and disable them",
    Permission.KEYS_READ: "See the API keys, without their secrets",
    Permission.KEYS_WRITE: "Make and revoke API keys",
    Permission.AUDIT_READ: "See who changed what",
    Permission.SYSTEM_READ: "See Stripe events, jobs, reconciliations, Stripe imports and webhooks",
    Permission.SYSTEM_WRITE: "Retry events and jobs, run reconciliations and Stripe imports, set webhooks up",
}
"""What somebody with the permission can do."""


@dataclass(frozen=True)
class Public:
    """Anybody may call the route. It may ask for credentials of its own, such as a signature."""


@dataclass(frozen=True)
class SignedIn:
    """A reader with a live session may call the route."""


MayCall: TypeAlias = Public | SignedIn | Permission
"""Who may call a route. Every route declares exactly one."""

ALL_PERMISSIONS = frozenset(Permission)
SCOPES = ALL_PERMISSIONS - {Permission.STAFF}
"""What an API key can be made with."""

_STAFF = frozenset({Permission.STAFF})
ROLES: Mapping[str, frozenset[Permission]] = {
    "viewer": _STAFF
    | {
        Permission.ARTICLES_READ,
        Permission.DECISIONS_READ,
        Permission.OFFERS_READ,
        Permission.SUBSCRIBERS_READ,
        Permission.REPORTS_READ,
    },
    "editor": _STAFF
    | {
        Permission.ARTICLES_READ,
        Permission.ARTICLES_WRITE,
        Permission.DECISIONS_READ,
        Permission.OFFERS_READ,
        Permission.REPORTS_READ,
    },
    "billing": _STAFF
    | {
        Permission.ARTICLES_READ,
        Permission.DECISIONS_READ,
        Permission.OFFERS_READ,
        Permission.OFFERS_WRITE,
        Permission.SUBSCRIBERS_READ,
        Permission.SUBSCRIBERS_WRITE,
        Permission.REPORTS_READ,
        Permission.REPORTS_WRITE,
        Permission.SYSTEM_READ,
    },
    "admin": ALL_PERMISSIONS,
}


def permissions_of_role(role: str) -> frozenset[Permission]:
    """The permissions of a role; an unknown one has none."""
    return ROLES.get(role, frozenset())


def permissions_of_scopes(scopes: Iterable[str]) -> frozenset[Permission]:
    """The permissions of an API key's scopes. `articles:write` includes reading them, and to see readers includes to
    see why something is closed to them.
    """
    granted = SCOPES & set(scopes)
    reads = {f"{scope.split(':')[0]}:read" for scope in granted}
    all_of_them = granted | (SCOPES & reads)
    if Permission.SUBSCRIBERS_READ in all_of_them:
        all_of_them |= {Permission.DECISIONS_READ}
    return _STAFF | all_of_them
