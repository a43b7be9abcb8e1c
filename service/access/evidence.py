"""What speaks for a reader, from our own rows or from a token's claims, and the article's facts. Pure.

Whatever it was read from, the decision takes the same evidence: so a token can't open more than the
rows that it was made of, nor for another reason.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import get_args

from service.access.decision import ArticleFacts, Evidence, HeldGrant
from service.content.article import ListedArticle
from service.content.level import level_at
from service.content.visibility import is_visible
from service.grants.entitlement import is_registered
from service.grants.grants import GrantFacts, Source, article_scope
from service.rules.rules import LevelRules
from service.tokens.claims import AccessClaims, Claims, Entitlement, UnlockClaims

_SOURCES: dict[str, Source] = {source: source for source in get_args(Source)}


def article_facts(article: ListedArticle, rules: LevelRules, now: datetime) -> ArticleFacts:
    """The article at `now`, the business time."""
    held = level_at(article, rules, now)
    return ArticleFacts(
        id=article.id,
        level=held.level,
        plans=held.plans,
        section=article.section,
        visible=is_visible(article, now),
    )


def evidence_of_rows(
    grants: Iterable[GrantFacts],
    *,
    verified: bool,
    sign_in_offered: bool,
    room_after_registering: int = 0,
    staff: bool = False,
) -> Evidence:
    """From the reader's grants and from whether their address is verified, and whether the browser is an operator's."""
    can_register = sign_in_offered and not verified
    found = _of_rows(tuple(grants), verified, can_register, room_after_registering)
    return replace(found, staff=True) if staff else found


def held_by_row(grant: GrantFacts) -> HeldGrant:
    """A grant as the decision takes it."""
    institution = grant.reference if grant.source == "institution" else ""
    return HeldGrant(
        grant.source, grant.scope, grant.starts_at, grant.ends_at, grant.in_grace, institution
    )  # fmt: skip


@lru_cache(maxsize=1_000)
def _of_rows(
    grants: tuple[GrantFacts, ...],
    verified: bool,
    can_register: bool,
    room: int,
) -> Evidence:
    return Evidence(tuple(map(held_by_row, grants)), verified, can_register, room)


def evidence_of_claims(claims: Claims, article_id: str, *, sign_in_offered: bool) -> Evidence:
    """From verified claims. `article_id` is of the article that an unlock token's `art` names. No token is the staff's."""
    if isinstance(claims, AccessClaims):
        return _of_access_token(claims, sign_in_offered=sign_in_offered)
    return _of_unlock_token(claims, article_id, sign_in_offered=sign_in_offered)


def _of_access_token(claims: AccessClaims, *, sign_in_offered: bool) -> Evidence:
    verified = is_registered(claims.scope)
    return Evidence(
        grants=tuple(map(_held, claims.ent)),
        verified=verified,
        can_register=sign_in_offered and not verified,
    )


def _of_unlock_token(claims: UnlockClaims, article_id: str, *, sign_in_offered: bool) -> Evidence:
    """The reason it was signed for. What is taken away meanwhile is refused by revocations.py."""
    source = _SOURCES.get(claims.rsn)
    verified = claims.rsn == "registered"
    return Evidence(
        grants=(HeldGrant(source, article_scope(article_id)),) if source is not None else (),
        verified=verified,
        can_register=sign_in_offered and not verified,
        counted=claims.rsn == "meter",
    )


def _held(item: Entitlement) -> HeldGrant:
    # An older release named no source, a later one may name another than ours.
    source = _SOURCES.get(item.source) or ("subscription" if item.plan else "comp")
    until = datetime.fromtimestamp(item.until, UTC) if item.until is not None else None
    return HeldGrant(source, item.scope, ends_at=until, grace=item.grace)
