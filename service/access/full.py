"""The full article for whoever holds a token: no meter, nothing waited for in the database."""

from service.access.revocations import Revocations
from service.access.unlock import level_of, note_open_page
from service.clock import Clocks
from service.content.cache import StoredArticle, article_not_found
from service.content.visibility import is_visible
from service.grants import grants
from service.grants.access_token import REGISTERED
from service.metering.ledger import Ledger
from service.problems import Problem
from service.settings import Settings
from service.tokens.claims import AccessClaims, Claims
from service.tokens.signing import invalid_token


def read_by_token(
    article: StoredArticle | None,
    slug: str,
    claims: Claims,
    *,
    revocations: Revocations,
    ledger: Ledger,
    settings: Settings,
    clocks: Clocks,
) -> StoredArticle:
    """The article where the verified claims cover it.

    Raises `invalid-token` where the session has ended or the access was taken away since,
    `article-not-covered` for another article's token, whether or not that article exists,
    and `article-not-found` for what isn't visible.
    """
    if revocations.refuse(claims):
        raise invalid_token("What the token stands for has ended since. Fetch a new one.")
    if not isinstance(claims, AccessClaims):
        if claims.art != slug:
            raise Problem("article-not-covered")
        reason = claims.rsn
    if article is None or not is_visible(article, clocks.business()):
        raise article_not_found(slug)
    if isinstance(claims, AccessClaims):
        reason = _opened_by(claims, article, settings, clocks)
    signed_in = claims.sid is not None
    note_open_page(
        ledger,
        article=article,
        reader_id=claims.sub if signed_in else None,
        device=None if signed_in else claims.sub,
        reason=reason,
        settings=settings,
        clocks=clocks,
    )
    return article


def _opened_by(
    claims: AccessClaims, article: StoredArticle, settings: Settings, clocks: Clocks
) -> str:
    level = level_of(article, settings)
    if level == "free" or (level == "metered" and settings.meter_limit is None):
        return "free"
    if level == "registered" and REGISTERED in claims.scope.split():
        return "registered"
    facts = grants.GrantableArticle(article.id, level, article.plans, article.section)
    now = clocks.business().timestamp()
    for item in claims.ent:
        if (item.until is None or now < item.until) and grants.covers(item.scope, facts):
            return item.source or ("subscription" if item.plan else "comp")
    raise Problem("article-not-covered")
