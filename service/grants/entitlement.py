"""Live grants as the access token's `ent` (identity.md, JWTs)."""

import math
from collections.abc import Iterable
from datetime import datetime

from service.grants.grants import GrantFacts, live
from service.tokens.claims import Entitlement


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
