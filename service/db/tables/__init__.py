"""Every table of the service, one module a domain: imported when the first of its tables is named.

Most belong to reports and to the back office, and to map a table takes a millisecond: a start maps those that it
needs. What a table refers to is imported by its module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from service.db.base import Base as Base
from service.db.base import with_conditions

if TYPE_CHECKING:
    from service.db.tables.accounts import *  # noqa: F403
    from service.db.tables.billing import *  # noqa: F403
    from service.db.tables.content import *  # noqa: F403
    from service.db.tables.finance import *  # noqa: F403
    from service.db.tables.grants import *  # noqa: F403
    from service.db.tables.identity import *  # noqa: F403
    from service.db.tables.inbox import *  # noqa: F403
    from service.db.tables.jobs import *  # noqa: F403
    from service.db.tables.limits import *  # noqa: F403
    from service.db.tables.metering import *  # noqa: F403
    from service.db.tables.offers import *  # noqa: F403
    from service.db.tables.operation import *  # noqa: F403
    from service.db.tables.operators import *  # noqa: F403
    from service.db.tables.outbox import *  # noqa: F403
    from service.db.tables.purchases import *  # noqa: F403
    from service.db.tables.rights import *  # noqa: F403
    from service.db.tables.rollups import *  # noqa: F403
    from service.db.tables.rules import *  # noqa: F403
    from service.db.tables.sources import *  # noqa: F403
    from service.db.tables.staff import *  # noqa: F403
    from service.db.tables.subscriptions import *  # noqa: F403
    from service.db.tables.tokens import *  # noqa: F403

_TABLES = {
    "accounts": ("AddressChange", "Consent", "SignInAsk", "SignInRequest"),
    "billing": ("Checkout", "CheckoutTouches", "Customer", "MovementRow", "PromotionUse"),
    "content": ("Article", "ArticleRevision", "ArticleTerm", "ContentState"),
    "finance": (
        "BalanceRow",
        "ChargeRow",
        "DisputeRow",
        "DunningEpisode",
        "InvoicePaymentRow",
        "InvoiceRow",
        "MoneyFilling",
        "PayoutRow",
        "RefundRow",
    ),
    "grants": (
        "FormerGrant",
        "GiftLink",
        "GiftOpening",
        "Grant",
        "Institution",
        "InstitutionReadDay",
    ),
    "identity": ("Reader", "ReaderDevice", "ReaderSession", "ReaderUse"),
    "inbox": ("InboxEvent", "Reconciliation"),
    "jobs": ("Job",),
    "limits": ("RateLimit",),
    "metering": ("AccessEntry", "MeterWindow"),
    "offers": ("Offer",),
    "operation": ("BusinessClock",),
    "operators": (
        "ApiKey",
        "AuditEntry",
        "Operator",
        "OperatorDevice",
        "OperatorRecoveryCode",
        "OperatorSession",
    ),
    "outbox": ("DomainEvent", "Mail", "WebhookDelivery", "WebhookEndpoint"),
    "purchases": ("GiftSubscription", "Pass", "Seat", "TrialCard", "UnboundSubscription"),
    "rights": ("Right", "RightClaim"),
    "rollups": (
        "ArticleSaleDay",
        "BookedDay",
        "CohortMonth",
        "EdgeDay",
        "FewHabit",
        "HabitDay",
        "HolderDay",
        "HolderReturn",
        "LedgerDay",
        "MoneyBackDay",
        "MoneyDay",
        "PriceRenewalDay",
        "RenewalDay",
        "RevenueDay",
        "RightDay",
        "RolledDay",
        "Rollup",
        "ScheduledChange",
        "SourceCohortMonth",
        "SourceDay",
        "SourceEdgeDay",
        "SourceMoneyDay",
        "StepDepth",
    ),
    "rules": ("ExperimentRow", "RulesVersion", "StoredCrawler"),
    "sources": ("Touches",),
    "staff": ("ExchangeRate", "ReaderNote", "SavedView", "StripeFigure"),
    "subscriptions": ("Subscription",),
    "tokens": ("RevokedClaim", "SigningKey"),
}
_MODULES = {table: module for module, tables in _TABLES.items() for table in tables}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"there is no table {name}")
        table = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return table


def all_tables() -> MetaData:
    """The tables of every module, for what looks through all of them."""
    for module in _TABLES:
        import_module(f"{__name__}.{module}")
    return with_conditions(Base.metadata)
