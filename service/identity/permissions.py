"""Who may do what: pure tables of roles and scopes."""

from collections.abc import Mapping
from typing import Literal, get_args

Permission = Literal[
    "articles:read",
    "articles:write",
    "subscribers:read",
    "subscribers:write",
    "reports:read",
    "operators:read",
    "operators:write",
    "keys:read",
    "keys:write",
    "audit:read",
    "system:read",
    "system:write",
]
"""`keys` are API keys, `system` is what runs by itself: webhooks and their deliveries.

Who may hand out access to the staff's side is an administrator.
"""
PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))

ROLES: Mapping[str, frozenset[str]] = {
    "viewer": frozenset({"articles:read", "subscribers:read", "reports:read"}),
    "editor": frozenset({"articles:read", "articles:write", "reports:read"}),
    "billing": frozenset(
        {"articles:read", "subscribers:read", "subscribers:write", "reports:read", "system:read"}
    ),
    "admin": PERMISSIONS,
}


def permissions_of_role(role: str) -> frozenset[str]:
    """The permissions of a role; an unknown one has none."""
    return ROLES.get(role, frozenset())


def permissions_of_scopes(scopes: list[str]) -> frozenset[str]:
    """The permissions of an API key's scopes; `articles:write` includes reading them."""
    granted = PERMISSIONS & set(scopes)
    reads = {f"{scope.split(':')[0]}:read" for scope in granted}
    return granted | (PERMISSIONS & reads)
