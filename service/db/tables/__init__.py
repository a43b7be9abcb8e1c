"""Every table of the service, one module a domain."""

from service.db.base import Base
from service.db.tables.billing import (
    Checkout,
    Customer,
    InboxEvent,
    MovementRow,
    Pass,
    Reconciliation,
    Subscription,
    TrialCard,
    UnboundSubscription,
)
from service.db.tables.content import Article, ArticleRevision, ArticleTerm, ContentState
from service.db.tables.finance import (
    BalanceRow,
    ChargeRow,
    DisputeRow,
    InvoicePaymentRow,
    InvoiceRow,
    PayoutRow,
    RefundRow,
)
from service.db.tables.grants import (
    FormerGrant,
    Grant,
    Institution,
    InstitutionReadDay,
    Right,
    RightClaim,
)
from service.db.tables.identity import (
    AddressChange,
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
from service.db.tables.jobs import Job
from service.db.tables.limits import RateLimit
from service.db.tables.metering import AccessEntry, MeterWindow
from service.db.tables.offers import Offer
from service.db.tables.operation import BusinessClock
from service.db.tables.outbox import DomainEvent, Mail, WebhookDelivery, WebhookEndpoint
from service.db.tables.rollups import (
    CohortMonth,
    EdgeDay,
    HabitDay,
    HolderDay,
    HolderReturn,
    LedgerDay,
    MoneyDay,
    RolledDay,
    Rollup,
    SourceDay,
    StepDepth,
)
from service.db.tables.rules import RulesVersion
from service.db.tables.sources import CheckoutTouches, Consent, Touches
from service.db.tables.staff import ReaderNote, SavedView, StripeFigure
from service.db.tables.tokens import RevokedClaim, SigningKey

__all__ = [
    "AccessEntry",
    "AddressChange",
    "ApiKey",
    "Article",
    "ArticleRevision",
    "ArticleTerm",
    "AuditEntry",
    "BalanceRow",
    "Base",
    "BusinessClock",
    "ChargeRow",
    "Checkout",
    "CheckoutTouches",
    "CohortMonth",
    "Consent",
    "ContentState",
    "Customer",
    "DisputeRow",
    "DomainEvent",
    "EdgeDay",
    "FormerGrant",
    "Grant",
    "HabitDay",
    "HolderDay",
    "HolderReturn",
    "InboxEvent",
    "Institution",
    "InstitutionReadDay",
    "InvoicePaymentRow",
    "InvoiceRow",
    "Job",
    "LedgerDay",
    "Mail",
    "MeterWindow",
    "MoneyDay",
    "MovementRow",
    "Offer",
    "Operator",
    "OperatorDevice",
    "OperatorRecoveryCode",
    "OperatorSession",
    "Pass",
    "PayoutRow",
    "RateLimit",
    "Reader",
    "ReaderDevice",
    "ReaderNote",
    "ReaderSession",
    "Reconciliation",
    "RefundRow",
    "RevokedClaim",
    "Right",
    "RightClaim",
    "RolledDay",
    "Rollup",
    "RulesVersion",
    "SavedView",
    "SignInRequest",
    "SigningKey",
    "SourceDay",
    "StepDepth",
    "StripeFigure",
    "Subscription",
    "Touches",
    "TrialCard",
    "UnboundSubscription",
    "WebhookDelivery",
    "WebhookEndpoint",
]
