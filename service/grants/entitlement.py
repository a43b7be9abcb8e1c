"""What an access token says of its reader: live grants as `ent`, and `scope` (identity.md, JWTs).

Pure.
"""

import math
from collections.abc import Iterable
from datetime import datetime

from service.grants.grants import GrantFacts, live
from service.tokens.claims import Entitlement

_SCOPE = "articles:read"
_REGISTERED = "registered"


def reading_scope(*, verified: bool) -> str:
    """The `scope` of a token for reading; `verified`: the reader has verified an address."""
    return f"{_SCOPE} {_REGISTERED}" if verified else _SCOPE


def is_registered(scope: str) -> bool:
    """Whether a token's `scope` says that the reader has verified an address."""
    return _REGISTERED in scope.split()


def entitlements(grants: Iterable[GrantFacts], at: datetime) -> tuple[Entitlement, ...]:
    """What the grants that are live at `at` open, in a fixed order. `until` is never late."""
    return tuple(
        Entitlement(
            plan=_plan_of(grant.scope),
            scope=grant.scope,
            until=math.floor(grant.ends_at.timestamp()) if grant.ends_at is not None else None,
            grace=grant.in_grace,
            source=grant.source,
        )
        for grant in sorted(live(grants, at), key=lambda grant: (grant.scope, grant.id))
    )


def _plan_of(scope: str) -> str | None:
    kind, _, plan = scope.partition(":")
    return plan if kind == "plan" else None
