"""Every table of the service, one module a domain."""

from service.db.base import Base
from service.db.tables.billing import Checkout, Customer, InboxEvent, Subscription
from service.db.tables.content import Article, ArticleRevision, ArticleTerm, ContentState
from service.db.tables.grants import Grant
from service.db.tables.identity import (
    ApiKey,
    AuditEntry,
    Operator,
    OperatorDevice,
    OperatorRecoveryCode,
    OperatorSession,
    Reader,
    ReaderDevice,
    ReaderSession,
    SignInRequest,
)
from service.db.tables.limits import RateLimit
from service.db.tables.metering import AccessEntry, MeterWindow
from service.db.tables.offers import Offer
from service.db.tables.operation import BusinessClock
from service.db.tables.outbox import Mail
from service.db.tables.tokens import RevokedClaim, SigningKey

__all__ = [
    "AccessEntry",
    "ApiKey",
    "Article",
    "ArticleRevision",
    "ArticleTerm",
    "AuditEntry",
    "Base",
    "BusinessClock",
    "Checkout",
    "ContentState",
    "Customer",
    "Grant",
    "InboxEvent",
    "Mail",
    "MeterWindow",
    "Offer",
    "Operator",
    "OperatorDevice",
    "OperatorRecoveryCode",
    "OperatorSession",
    "RateLimit",
    "Reader",
    "ReaderDevice",
    "ReaderSession",
    "RevokedClaim",
    "SignInRequest",
    "SigningKey",
    "Subscription",
]
