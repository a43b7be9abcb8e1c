"""Reports as JSON: amounts in minor units, times in UTC, each figure with its definition."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
)

from service.bodies import ListOut
from service.db.tables import Grant
from service.html.list_query import EMPTY_IS_NONE, ListQuery
from service.problems import invalid_field
from service.reports import readers
from service.reports.bought import SubscriptionFacts
from service.reports.figures import Summary
from service.reports.history import Bought, ReaderHistory
from service.reports.metrics import (
    ACTIVE_SUBSCRIBERS,
    COLLECTION_PAUSED,
    COMMITTED_MRR,
    MRR,
    MRR_AFTER_DISCOUNTS,
    TRIALS,
    Definition,
)
from service.reports.period import FIRST_DAY, LAST_DAY, midnight
from service.reports.standing import WORDS, Standing
from service.reports.subscriber_list import SubscriberFilter
from service.reports.timeline import ArticleMention, Event, EventKind
from service.texts import storable

Storable = AfterValidator(storable)
"""Text that a database can be asked for: PostgreSQL knows no NUL."""


class Count(BaseModel):
    """A figure without unit."""

    value: int
    definition: str
    denominator: str

    @classmethod
    def of(cls, value: int, meaning: Definition) -> Self:
        return cls(value=value, definition=meaning.definition, denominator=meaning.denominator)


class CurrencyAmount(BaseModel):
    """An amount in the currency's minor unit."""

    amount: int
    currency: str


class MoneyFigure(BaseModel):
    """A figure of money: one amount a currency, never mixed."""

    values: list[CurrencyAmount]
    definition: str
    denominator: str

    @classmethod
    def of(cls, amounts: Mapping[str, int], meaning: Definition) -> Self:
        return cls(
            values=[CurrencyAmount(amount=a, currency=c) for c, a in amounts.items()],
            definition=meaning.definition,
            denominator=meaning.denominator,
        )


class SummaryAnswer(BaseModel):
    """The figures of one moment."""

    as_of: AwareDatetime
    active_subscribers: Count
    collection_paused: Count
    trials: Count
    mrr: MoneyFigure
    mrr_after_discounts: MoneyFigure
    committed_mrr: MoneyFigure

    @classmethod
    def of(cls, figures: Summary, now: datetime) -> Self:
        return cls(
            as_of=now,
            active_subscribers=Count.of(figures.active_subscribers, ACTIVE_SUBSCRIBERS),
            collection_paused=Count.of(figures.collection_paused, COLLECTION_PAUSED),
            trials=Count.of(figures.trials, TRIALS),
            mrr=MoneyFigure.of(figures.mrr, MRR),
            mrr_after_discounts=MoneyFigure.of(figures.mrr_after_discounts, MRR_AFTER_DISCOUNTS),
            committed_mrr=MoneyFigure.of(figures.committed_mrr, COMMITTED_MRR),
        )


class SubscribersQuery(ListQuery):
    """Search, filter and paging of the list."""

    query: Annotated[str, Storable, Field(max_length=200)] = ""
    """Part of an e-mail address, or the whole id of a reader, subscription or Stripe customer."""
    status: Annotated[Standing | None, EMPTY_IS_NONE] = None
    plan: Annotated[Annotated[str, Field(max_length=40), Storable] | None, EMPTY_IS_NONE] = None

    def chosen(self) -> SubscriberFilter:
        return SubscriberFilter(self.query, self.status, self.plan)


AnySubscribers = Annotated[SubscribersQuery, Query()]


_Day = Annotated[Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)] | None, EMPTY_IS_NONE]


class ReadersQuery(ListQuery):
    """Search, filter and paging of the list of all readers."""

    model_config = ConfigDict(populate_by_name=True)

    query: Annotated[str, Storable, Field(max_length=200)] = ""
    """Part of an e-mail address, or the whole id of a reader, subscription or Stripe customer."""
    kind: Annotated[readers.Kind | None, EMPTY_IS_NONE] = None
    plan: Annotated[str, Storable, Field(max_length=40)] = ""
    status: Annotated[Standing | None, EMPTY_IS_NONE] = None
    """The standing of a subscription; together with plan and offer it is of the same one."""
    offer: Annotated[str, Storable, Field(max_length=100)] = ""
    """An offer's id."""
    source: Annotated[str, Storable, Field(max_length=200)] = ""
    """What led to the purchase last: a campaign's source or a host."""
    first: Annotated[_Day, Field(alias="from")] = None
    """First seen on this day or later, in the publication's zone."""
    last: Annotated[_Day, Field(alias="to")] = None

    def chosen(self, zone: ZoneInfo) -> readers.ReaderFilter:
        """Raises Problem `invalid-request` for a period that ends before it begins."""
        if self.first is not None and self.last is not None and self.first > self.last:
            raise invalid_field("query.from", f"{self.first} comes after {self.last}.")
        return readers.ReaderFilter(
            self.query, self.kind, self.plan, self.status, self.offer,
            midnight(self.first, zone) if self.first is not None else None,
            midnight(self.last + timedelta(days=1), zone) if self.last is not None else None,
            self.source,
        )  # fmt: skip


AnyReaders = Annotated[ReadersQuery, Query()]


class ReadersExport(ReadersQuery):
    """The same filters, and the form of the file."""

    format: Literal["csv", "json"] = "csv"


AnyExport = Annotated[ReadersExport, Query()]


class ReaderItem(BaseModel):
    """A reader. `kinds` is all that they are: a subscriber may be a registered reader too."""

    reader_id: str
    email: str | None
    email_verified: bool
    first_seen: AwareDatetime
    kinds: list[readers.Kind]

    @classmethod
    def of(cls, facts: readers.ReaderFacts) -> Self:
        return cls.model_validate(facts, from_attributes=True)


class ReaderList(ListOut[ReaderItem]):
    """Readers, the newest first."""


class OfferName(BaseModel):
    """The offer a subscription was bought by."""

    id: str
    name: str


class SubscriptionItem(BaseModel):
    """A subscription. `until` is the end of the access it gives, `period_end` the next renewal."""

    id: str
    customer_id: str
    plan: str
    offer: OfferName
    status: Standing
    status_text: str
    since: AwareDatetime
    until: AwareDatetime
    period_end: AwareDatetime
    cancel_at: AwareDatetime | None
    trial_end: AwareDatetime | None
    ended_at: AwareDatetime | None
    past_due_since: AwareDatetime | None
    amount: int
    currency: str
    interval: str
    interval_count: int
    next_charge_at: AwareDatetime | None
    next_amount: int | None
    """What Stripe charges then, discounts, balance and tax included."""

    @classmethod
    def of(cls, facts: SubscriptionFacts) -> Self:
        return cls(
            id=facts.subscription_id,
            customer_id=facts.customer_id,
            plan=facts.plan,
            offer=OfferName(id=facts.offer_id, name=facts.offer_name),
            status=facts.standing,
            status_text=WORDS[facts.standing],
            since=facts.since,
            until=facts.until,
            period_end=facts.period_end,
            cancel_at=facts.cancel_at,
            trial_end=facts.trial_end,
            ended_at=facts.ended_at,
            past_due_since=facts.past_due_since,
            amount=facts.amount,
            currency=facts.currency,
            interval=facts.interval,
            interval_count=facts.interval_count,
            next_charge_at=facts.next_charge_at,
            next_amount=facts.next_amount,
        )


class SubscriberItem(BaseModel):
    """A reader with the live subscription, else the latest."""

    reader_id: str
    email: str | None
    email_verified: bool
    subscription: SubscriptionItem

    @classmethod
    def of(cls, facts: SubscriptionFacts) -> Self:
        return cls(
            reader_id=facts.reader_id,
            email=facts.email,
            email_verified=facts.email_verified,
            subscription=SubscriptionItem.of(facts),
        )


class SubscriberList(ListOut[SubscriberItem]):
    """Subscribers, the newest first."""


class ArticleItem(BaseModel):
    """An article that is mentioned; `slug` and `title` are null where it was deleted since."""

    id: str | None
    slug: str | None
    title: str | None

    @classmethod
    def of(cls, mention: ArticleMention | None) -> Self | None:
        return cls(id=mention.id, slug=mention.slug, title=mention.title) if mention else None


class BoughtItem(SubscriptionItem):
    """A subscription; `wall` is the article whose wall the reader met last before buying."""

    wall: ArticleItem | None

    @classmethod
    def of_bought(cls, bought: Bought) -> Self:
        item = SubscriptionItem.of(bought.facts)
        return cls(**item.model_dump(), wall=ArticleItem.of(bought.wall))


class GrantItem(BaseModel):
    """Access that the reader has or had; `ends_at` null: until revoked."""

    id: str
    source: str
    scope: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    in_grace: bool
    note: str

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls.model_validate(grant, from_attributes=True)


class EventItem(BaseModel):
    """One thing that happened.

    `note` is the reason of a read or a wall, the offer's name, where access came from, the amount
    that was paid, failed or given back, how a dispute was closed, why the service cancelled, the device of
    a sign-in, the kind of a mail, or the action of the staff, as in the audit log; `actor` did that.
    `method` is how somebody signed in: by the `link` or the `code` of a mail, or by a `purchase`; null where
    nobody knows.
    """

    at: AwareDatetime
    kind: EventKind
    note: str
    article: ArticleItem | None
    counted: bool
    actor: str | None
    method: str | None

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            at=event.at,
            kind=event.kind,
            note=event.note,
            article=ArticleItem.of(event.article),
            counted=event.counted,
            actor=event.actor or None,
            method=event.method or None,
        )


class SubscriberDetail(BaseModel):
    """One reader. `timeline_complete` is false where only the latest reads and walls are listed, `access_complete`
    where only 200 grants or passes are: those that run first, then the newest.
    """

    reader_id: str
    email: str | None
    email_verified: bool
    first_seen: AwareDatetime
    subscriptions: list[BoughtItem]
    grants: list[GrantItem]
    timeline: list[EventItem]
    timeline_complete: bool
    access_complete: bool

    @classmethod
    def of(cls, history: ReaderHistory) -> Self:
        return cls(
            reader_id=history.reader_id,
            email=history.email,
            email_verified=history.email_verified,
            first_seen=history.first_seen,
            subscriptions=[BoughtItem.of_bought(each) for each in history.bought],
            grants=[GrantItem.of(grant) for grant in history.grants],
            timeline=[EventItem.of(event) for event in history.timeline],
            timeline_complete=history.complete,
            access_complete=history.all_access,
        )
