"""The full article for the holder of a token: no meter, nothing waited for in the database."""

from service.access.decision import Hidden, NoMeter, Wall, decide
from service.access.evidence import article_facts, evidence_of_claims
from service.access.open_pages import note_open_page
from service.access.revocations import Revocations
from service.content.cache import StoredArticle, article_not_found
from service.db.context import Context
from service.metering.ledger import Ledger
from service.problems import Problem
from service.rules.in_force import InForce
from service.tokens.claims import Claims, UnlockClaims
from service.tokens.signing import invalid_token


def read_by_token(
    article: StoredArticle | None,
    slug: str,
    claims: Claims,
    *,
    revocations: Revocations,
    ledger: Ledger | None,
    context: Context,
    in_force: InForce,
) -> StoredArticle:
    """The article where the verified claims cover it, decided again with them as evidence.

    Raises `invalid-token` where the session has ended or the access was taken away since,
    `article-not-covered` for another article's token, whether or not that article exists, and,
    with the `reason`, where the claims don't open the article as it is now; `article-not-found`
    for what isn't visible. The read is noted in the `ledger`; None: nobody sees the text.
    """
    if revocations.refuse(claims):
        raise invalid_token(
            "The session or access behind the token has ended since. Fetch a new one."
        )
    if isinstance(claims, UnlockClaims) and claims.art != slug:
        raise Problem("article-not-covered")
    if article is None:
        raise article_not_found(slug)
    now, settings = context.clocks.business(), in_force.settings
    outcome = decide(
        article_facts(article, in_force.rules.levels, now),
        evidence_of_claims(claims, article.id, sign_in_offered=settings.readers_can_sign_in),
        NoMeter.NOTHING_METERED
        if in_force.rules.meters.is_off(article.section, article.tags)
        else NoMeter.NOT_ASKED,
        now,
    )
    if isinstance(outcome, Hidden):
        raise article_not_found(slug)
    if isinstance(outcome, Wall):
        raise Problem("article-not-covered", reason=outcome.reason)
    signed_in = claims.sid is not None
    if ledger is not None:
        note_open_page(
            ledger, context, article, reader_id=claims.sub if signed_in else None,
            device=None if signed_in else claims.sub, reason=outcome.reason,
        )  # fmt: skip
    return article
