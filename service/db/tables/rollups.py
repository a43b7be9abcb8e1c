"""What reports read instead of rows: the access ledger, the movements of MRR and money, added up by day."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, UtcDateTime, partial_index


class RolledDay(Base):
    """A day that the two tables below hold. All others are counted from the ledger itself."""

    __tablename__ = "rolled_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    rows: Mapped[int]
    """The number of the ledger's rows that were added up: with more of them the day is rolled anew."""
    rolled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    counted_on: Mapped[date | None]
    """The publication's day on which its holders were last counted as returns; None: not yet."""
    looked_back_to: Mapped[date | None]
    """The first day on which they were looked for before."""
    habits_counted_on: Mapped[date | None]
    """As `counted_on`, of its habits, or of that it shows none."""
    depths_counted_on: Mapped[date | None]
    """The same of the depths of its steps."""
    sales_counted_on: Mapped[date | None]
    """The same of what was bought at the walls of articles."""
    counted_version: Mapped[int] = mapped_column(server_default="0")
    """Of the definitions by which its holders were counted; those of an older one are counted anew."""
    sales_version: Mapped[int] = mapped_column(server_default="0")
    """The same of what was bought."""
    habits_version: Mapped[int] = mapped_column(server_default="0")
    """The same of its habits; those that an older one counted stay."""


class LedgerDay(Base):
    """Reads and refusals of one day, by article, reason and wall."""

    __tablename__ = "ledger_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    article_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    wall: Mapped[str] = mapped_column(primary_key=True)
    """Empty: none."""
    rows: Mapped[int]
    counted: Mapped[int]
    """Those that used an article of the meter."""


class HolderDay(Base):
    """One holder's day. Distinct holders of a longer time are counted over these rows."""

    __tablename__ = "holder_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True)
    """Named as in the ledger."""
    reads: Mapped[int]
    counted: Mapped[int]
    """Articles of the meter that were used."""
    subscribe_wall_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the first wall to subscribe was met."""
    register_wall_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # An erasure looks a holder up, and so does the count of returns, with the days before. Reports of a sample read
    # nothing else of theirs, as each of its rows is on a page of its own.
    __table_args__ = (
        Index(
            "ix_holder_days_of_holder", "holder", "day", "reads", "counted", "subscribe_wall_at",
            "register_wall_at",
        ),
        *(
            partial_index(
                f"ix_holder_days_{wall}", "holder", "day",
                where=f"{wall}_wall_at IS NOT NULL",
            )
            for wall in ("subscribe", "register")
        ),
    )  # fmt: skip


class HolderReturn(Base):
    """How many holders were counted by a measure on a day, and before it on another day.

    reports/returns.py says how distinct holders of any period come from these.
    """

    __tablename__ = "holder_returns"

    day: Mapped[date] = mapped_column(primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    previous: Mapped[date] = mapped_column(primary_key=True)
    holders: Mapped[int]


class StepDepth(Base):
    """How many holders used how many articles of the meter in a day, week or month."""

    __tablename__ = "step_depths"

    interval: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[date]
    """The last day that is counted: the step may run still."""
    holders: Mapped[int]


class HabitDay(Base):
    """The active subscribers at the end of a day, and on how many days they had read lately."""

    __tablename__ = "habit_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    readers: Mapped[int]
    days: Mapped[int]
    asleep: Mapped[int]
    at_risk: Mapped[int]
    settled: Mapped[int | None]
    """Those of the readers who were it 30 days before, too; only they count as asleep. None: it was
    counted by an earlier release, which counted all of them."""


class FewHabit(Base):
    """One of the few readers with a number of days with a read, up to the latest day whose habits are counted.

    By a series of the list (reports/queries/listed_habits.py). A row without a reader says that there are no more.
    """

    __tablename__ = "few_habits"

    day: Mapped[date] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_few_habits_reader_id", "reader_id"),)


class Rollup(Base):
    """What a rollup that follows its rows was made for. Where it isn't so any more, it is made anew."""

    __tablename__ = "rollups"

    name: Mapped[str] = mapped_column(primary_key=True)
    zone: Mapped[str]
    """Whose days it has."""
    version: Mapped[int]
    """Grows where the same rows add up to something else."""
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MoneyDay(Base):
    """What movements of one day added to recurring revenue, in minor units for the interval charged."""

    __tablename__ = "money_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    every: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    recurring: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)


class RightDay(Base):
    """How many more subscriptions of a price class there were from a day on: usage rights."""

    __tablename__ = "right_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[str] = mapped_column(primary_key=True)
    """full, half, quarter or less: what is charged of the listed price."""
    change: Mapped[int]


class RenewalDay(Base):
    """How many subscriptions were renewed on a day, by the events that are counted (renewal_rollup.py)."""

    __tablename__ = "renewal_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    renewed: Mapped[int]


class PriceRenewalDay(Base):
    """The same by what the subscriptions are now: a switch takes its renewals along (billing/renewed.py)."""

    __tablename__ = "price_renewal_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    renewed: Mapped[int]


class ScheduledChange(Base):
    """What a subscription that was scheduled to end takes from committed MRR at an instant, or gives back.

    In minor units for the interval charged. billing/scheduled_ends.py says which subscriptions have theirs here.
    """

    __tablename__ = "scheduled_changes"

    subscription_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    every: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)


class EdgeDay(Base):
    """How many readers became active subscribers on one day, or ceased to be it."""

    __tablename__ = "edge_days"

    grain: Mapped[str] = mapped_column(primary_key=True)
    """What is told apart: none, some or all of plan, interval_charged and currency, with commas.

    A reader is active for each value by itself, so that finer grains don't add up to coarser ones.
    """
    day: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    way: Mapped[str] = mapped_column(primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True)
    """Of an end; else empty, as the tenure."""
    tenure: Mapped[str] = mapped_column(primary_key=True)
    readers: Mapped[int]


class CohortMonth(Base):
    """How many more readers of a month's cohort have a paid subscription from another month on."""

    __tablename__ = "cohort_months"

    cohort: Mapped[date] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    """For which they first paid, as interval and currency."""
    interval: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    change: Mapped[int]


class SourceMoneyDay(Base):
    """As `MoneyDay`, by what led to the purchase."""

    __tablename__ = "source_money_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    every: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    last_source: Mapped[str] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(primary_key=True)
    recurring: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)


class SourceEdgeDay(Base):
    """As `EdgeDay`, by what led to the purchase."""

    __tablename__ = "source_edge_days"

    grain: Mapped[str] = mapped_column(primary_key=True)
    """`*`: readers of whom all is alike, by all that is told apart; else a source, with or without others."""
    day: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    last_source: Mapped[str] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(primary_key=True)
    way: Mapped[str] = mapped_column(primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True)
    tenure: Mapped[str] = mapped_column(primary_key=True)
    readers: Mapped[int]


class SourceCohortMonth(Base):
    """As `CohortMonth`, by what led to the first purchase."""

    __tablename__ = "source_cohort_months"

    cohort: Mapped[date] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    last_source: Mapped[str] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(primary_key=True)
    change: Mapped[int]


class SourceDay(Base):
    """How many subscriptions were bought on a day, by what led their buyers here first, and last."""

    __tablename__ = "source_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    touch: Mapped[str] = mapped_column(primary_key=True)
    """first or last."""
    source: Mapped[str] = mapped_column(primary_key=True)
    sold: Mapped[int]


class ArticleSaleDay(Base):
    """How much was bought on a day, by the article whose wall the buyer met last."""

    __tablename__ = "article_sale_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    article_id: Mapped[str] = mapped_column(primary_key=True)
    sold: Mapped[int]
    """For oneself."""
    first: Mapped[int]
    """Of these, by readers who bought for the first time (queries/purchases.py)."""
    gifts: Mapped[int] = mapped_column(server_default="0")
    """For somebody else."""


class BookedDay(Base):
    """A day of money that the two tables below hold. All others are counted from the rows.

    A change of the day's money deletes this in its transaction (finance/changed_days.py).
    """

    __tablename__ = "booked_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    rolled_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RevenueDay(Base):
    """What moved in the balance on a day for what we sell, and the tax of invoices that were paid.

    Amounts are in minor units of `currency`, in which they were settled; those of tax in the invoice's.
    """

    __tablename__ = "revenue_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    sold: Mapped[str] = mapped_column(primary_key=True)
    offer_id: Mapped[str] = mapped_column(primary_key=True)
    """Empty: unknown, as method and country."""
    method: Mapped[str] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    charged: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)
    disputed: Mapped[int] = mapped_column(BigInteger)
    fees: Mapped[int] = mapped_column(BigInteger)
    fee_tax: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)


class MoneyBackDay(Base):
    """How many charges were paid on a day, refunds made and disputes opened, and for how much.

    Offer, method, country and currency are the charge's.
    """

    __tablename__ = "money_back_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    """charges, refunds or disputes."""
    offer_id: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    amount: Mapped[int] = mapped_column(BigInteger)
