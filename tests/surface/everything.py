"""Rows of every kind, related to each other, for routes that are to show them."""

from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import ColumnElement

from service.db.base import Base, new_id
from service.db.session import Database
from service.db.tables import (
    ApiKey,
    Article,
    AuditEntry,
    BalanceRow,
    ChargeRow,
    DisputeRow,
    ExchangeRate,
    ExperimentRow,
    GiftLink,
    GiftOpening,
    GiftSubscription,
    InboxEvent,
    Institution,
    InvoiceRow,
    Job,
    Mail,
    Operator,
    PayoutRow,
    Reader,
    ReaderDevice,
    ReaderNote,
    ReaderSession,
    Reconciliation,
    RefundRow,
    Right,
    RulesVersion,
    Seat,
    StripeFigure,
    UnboundSubscription,
    WebhookDelivery,
    WebhookEndpoint,
)
from service.grants.link_tokens import LinkKey
from service.identity.secrets import derived_key
from service.settings import Settings
from tests.reports import rows

DOCUMENT = {"levels": {"default": {"level": "metered"}}}
NUMBERS = count()
T = TypeVar("T", bound=Base)


def filled(table: type[T], **values: Any) -> T:
    """A row whose other columns hold anything of their type."""
    number = next(NUMBERS)

    def anything(column: ColumnElement[Any]) -> object:
        kind = column.type.python_type
        by_type = {
            bool: False,
            int: number,
            datetime: rows.NOW,
            date: rows.NOW.date(),
            str: f"x{number}",
        }
        return by_type.get(kind, [])

    needed = {
        column.name: anything(column)
        for column in table.__table__.columns
        if not column.nullable and column.default is None
    }
    return table(**{**needed, **values})


class Everything:
    """More of everything, half of it the signed-in reader's, whose `reader_id` is given."""

    def __init__(self, reader_id: str, settings: Settings) -> None:
        self._settings = settings
        self._mine = Reader(id=reader_id)
        self.known = {"reader_id": reader_id}
        """Values for addresses."""

    def more(self) -> list[Base]:
        """One more of each kind, related to each other."""
        number = next(NUMBERS)
        address = f"r{number}@example.org"
        reader = rows.reader(
            email=address, email_key=address, verified_key=address, email_verified_at=rows.NOW
        )
        article = rows.article(f"p{number}", f"Article {number}")
        endpoint = filled(WebhookEndpoint, id=new_id("whe"), types=["subscription.started"])
        rules = filled(RulesVersion, version=number + 1, document=DOCUMENT)
        right = filled(
            Right, source="print", reference=f"KD-{number}", reader_id=reader.id, bound_by="email"
        )
        self.known |= {
            "slug": article.slug, "endpoint_id": endpoint.id, "version": str(rules.version),
            "source": right.source, "reference": right.reference, "name": "owing",
        }  # fmt: skip
        return [
            reader, article, endpoint, right, _experiment(article.slug), *self._of(reader, article, endpoint.id),
            *self._of(self._mine, article, endpoint.id),
            filled(
                Institution, slug=article.slug, plan="digital", domains=["example.org"], networks=["192.0.2.0/24"]
            ),
            filled(Job, kind="recut", status="failed", payload={"started_by": "-", "done": 0, "total": None}),
            filled(InboxEvent, told_by="webhook"), filled(AuditEntry),
            filled(ApiKey, scopes=["articles:write"]), filled(Operator, role="viewer"),
            filled(Reconciliation, differences=[]), rules,
            filled(
                ExchangeRate, currency="CHF", into="EUR", rate="1",
                day=rows.NOW.date() + timedelta(days=number),
            ),
        ]  # fmt: skip

    def _of(self, reader: Reader, article: Article, endpoint_id: str) -> list[Base]:
        """What one reader has: sold, read, sent and told."""
        offer = rows.offer(position=next(NUMBERS))
        bought = rows.subscription(reader, offer)
        invoice = filled(
            InvoiceRow,
            status="open",
            offer_id=offer.id,
            subscription_id=bought.id,
            currency="EUR",
        )
        charge = filled(
            ChargeRow, status="failed", sold="subscription", subscription_id=bought.id,
            invoice_id=invoice.id, currency="EUR",
        )  # fmt: skip
        payout = filled(PayoutRow, currency="EUR")
        entry = filled(
            StripeFigure, figure="mrr", currency="EUR", discounts="forever", churn="period_end",
            start="subscription", parts=[], perhaps=[],
        )  # fmt: skip
        self.known |= {"offer_id": offer.id, "payout_id": payout.id, "entry_id": entry.id}
        paid = rows.checkout(reader, offer, rows.NOW - timedelta(days=20))
        payment = rows.bought_pass(reader, offer, paid)
        gift = filled(GiftSubscription, id=new_id("gsb"), checkout_id=paid.id, pass_id=payment.id)
        seat = filled(
            Seat, id=new_id("sea"), subscription_id=bought.id, reader_id=None, joined_at=None
        )
        self.known["invitation"] = LinkKey(derived_key(self._settings, "gifts")).sign(seat.id)
        self.known["token"] = LinkKey(derived_key(self._settings, "gifts")).sign(gift.id)
        event = rows.told(reader, "subscription.started", rows.NOW, subject_id=bought.id)
        return [
            offer, bought, paid, event, rows.grant(reader), payment, gift, seat,
            rows.movement(bought, 1, rows.NOW - timedelta(days=20)),
            rows.read(article, rows.NOW - timedelta(days=1), reader_id=reader.id),
            filled(
                ReaderSession, reader_id=reader.id, kind="browser", expires_at=rows.NOW + timedelta(days=1),
            ),
            *self._gift(reader, article),
            filled(ReaderDevice, reader_id=reader.id), filled(ReaderNote, reader_id=reader.id),
            filled(Mail, kind="sign-in", status="waiting", reader_id=reader.id),
            filled(UnboundSubscription, status="active", offer_id=offer.id),
            invoice, charge, payout, entry, filled(BalanceRow, payout_id=payout.id),
            filled(RefundRow, charge_id=charge.id, currency="EUR"),
            filled(
                DisputeRow, charge_id=charge.id, status="needs_response", due_at=rows.NOW,
                currency="EUR",
            ),
            filled(
                WebhookDelivery, endpoint_id=endpoint_id, event_id=event.id, status="waiting",
                attempts=1,
            ),
        ]  # fmt: skip

    def _gift(self, reader: Reader, article: Article) -> list[Base]:
        link = filled(
            GiftLink, reader_id=reader.id, article_id=article.id, month=rows.NOW,
            ends_at=rows.NOW + timedelta(days=1), most_readers=3, readers=1,
        )  # fmt: skip
        return [link, filled(GiftOpening, link_id=link.id)]


def _experiment(slug: str) -> ExperimentRow:
    """One that is over, named as an article, by which addresses are made."""
    words = {"title": "Read on"}
    variants = [{"name": "usual", "share": 50}, {"name": "new", "share": 50, "words": words}]
    document = {
        "slug": slug, "question": "Does it help?", "subject": "prompt", "goal": "paid", "size": 40,
        "ends_at": rows.NOW.isoformat(), "variants": variants,
    }  # fmt: skip
    return ExperimentRow(
        slug=slug, document=document, created_at=rows.NOW, created_by="command",
        started_at=rows.NOW - timedelta(days=9), ends_at=rows.NOW, stopped_at=None,
    )  # fmt: skip


async def lay(database: Database, made: Everything, number: int) -> None:
    for _ in range(number):
        for row in made.more():
            async with database.transaction() as session:
                session.add(row)
