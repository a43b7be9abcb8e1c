"""What an access token says of its reader: live grants as `ent`, and `scope` (identity.md, JWTs).

Pure.
"""

import json
import math
from collections.abc import Iterable
from datetime import datetime

from service.grants.grants import GrantFacts, live
from service.tokens.claims import Entitlement

_SCOPE = "articles:read"
_REGISTERED = "registered"
LONGEST = 4_500
"""Characters of all items together: a token of more than 8 KB is refused here, and headers of that size elsewhere."""


def reading_scope(*, verified: bool) -> str:
    """The `scope` of a token for reading; `verified`: the reader has verified an address."""
    return f"{_SCOPE} {_REGISTERED}" if verified else _SCOPE


def is_registered(scope: str) -> bool:
    """Whether a token's `scope` says that the reader has verified an address."""
    return _REGISTERED in scope.split()


def entitlements(grants: Iterable[GrantFacts], at: datetime) -> tuple[Entitlement, ...]:
    """What the grants that are live at `at` open, in a fixed order. `until` is never late.

    Of very many, those that fit: the widest, and of equally wide ones those that began last. What is left out opens by
    the session all the same.
    """
    size, fitting = 0, []
    for grant in sorted(live(grants, at), key=_place):
        item = _entitlement(grant)
        size += len(json.dumps(vars(item)))
        if size > LONGEST:
            break
        fitting.append((grant.scope, grant.id, item))
    return tuple(item for *_, item in sorted(fitting, key=lambda each: each[:2]))


def _place(grant: GrantFacts) -> tuple[bool, bool, float, str, str]:
    kind, _, _ = grant.scope.partition(":")
    began = grant.starts_at.timestamp()
    return kind == "article", kind == "section", -began, grant.scope, grant.id


def _entitlement(grant: GrantFacts) -> Entitlement:
    return Entitlement(
        plan=_plan_of(grant.scope),
        scope=grant.scope,
        until=math.floor(grant.ends_at.timestamp()) if grant.ends_at is not None else None,
        grace=grant.in_grace,
        source=grant.source,
    )


def _plan_of(scope: str) -> str | None:
    kind, _, plan = scope.partition(":")
    return plan if kind == "plan" else None
