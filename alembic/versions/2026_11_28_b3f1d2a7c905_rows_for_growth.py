"""rows for growth

What figures need and nothing can fill in later: the access ledger's keys for partitions, where
readers came from, what they agreed to, and what subscriptions bring, with their discounts.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from alembic import context, op
from service.db.base import Json, UtcDateTime

revision: str = "b3f1d2a7c905"
down_revision: str | None = "cf5da8d4dcff"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _upgrade_ledger()
    _upgrade_sources()
    _upgrade_consents()
    _upgrade_movements()


def downgrade() -> None:
    _downgrade_movements()
    _downgrade_consents()
    _downgrade_sources()
    _downgrade_ledger()


def _upgrade_ledger() -> None:
    """The ledger anew, with its rows; the old one can't be given another primary key in place.

    The old release goes on beside it: what it writes gets the defaults below.
    """
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for index in ("ix_access_ledger_device", "ix_access_ledger_reader"):
        op.drop_index(index, "access_ledger")
    if is_postgresql:
        op.drop_constraint("pk_access_ledger", "access_ledger", type_="primary")
        op.drop_constraint("uq_access_ledger_once_key", "access_ledger", type_="unique")
    op.rename_table("access_ledger", "access_ledger_before")
    defaults: dict[str, sa.TextClause] = {}
    if is_postgresql:
        defaults = {
            "day": sa.text(f"(CURRENT_TIMESTAMP AT TIME ZONE '{_zone().key}')::date"),
            "holder": sa.text("'device:unknown'"),
            "id": sa.text("gen_random_uuid()::text"),
            "once": sa.text("false"),
        }
    op.create_table(
        "access_ledger",
        sa.Column("day", sa.Date(), server_default=defaults.get("day"), nullable=False),
        sa.Column("holder", sa.String(), server_default=defaults.get("holder"), nullable=False),
        sa.Column("id", sa.String(), server_default=defaults.get("id"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("article_id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=True),
        sa.Column("device_id", sa.String(), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("consumed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("wall", sa.String(), nullable=True),
        sa.Column("window_start", UtcDateTime(), nullable=True),
        sa.Column("referrer_host", sa.String(), nullable=True),
        sa.Column("campaign", sa.String(), nullable=True),
        sa.Column("once", sa.Boolean(), server_default=defaults.get("once"), nullable=False),
        sa.Column("once_key", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("day", "holder", "id", name=op.f("pk_access_ledger")),
        postgresql_partition_by="RANGE (day)",
    )
    if is_postgresql:
        op.execute("CREATE TABLE access_ledger_default PARTITION OF access_ledger DEFAULT")
        _create_months_of_old_rows()
    else:
        _define_day_in_zone()
    for condition, once in (("IS NULL", "false"), ("IS NOT NULL", _IS_FIRST)):
        day, row_id = (_DAY, _ID) if is_postgresql else _SQLITES_DAY_AND_ID
        carry = sa.text(_CARRY.format(day=day, id=row_id, condition=condition, once=once))
        op.execute(carry.bindparams(zone=_zone().key) if is_postgresql else carry)
    op.drop_table("access_ledger_before")
    # Once for all rows, which is quicker than row by row.
    op.create_index("ix_access_ledger_device", "access_ledger", ["device_id", "at"])
    op.create_index("ix_access_ledger_reader", "access_ledger", ["reader_id", "at"])
    op.create_index(
        "uq_access_ledger_once", "access_ledger", ["day", "holder", "article_id"],
        unique=True, postgresql_where=sa.text("once"), sqlite_where=sa.text("once"),
    )  # fmt: skip


def _zone() -> ZoneInfo:
    zone: ZoneInfo = context.config.attributes["zone"]
    return zone


_SQLITES_DAY_AND_ID = "day_in_zone(e.at)", "printf('%016d', e.id)"
_DAY = "(e.at AT TIME ZONE CAST(:zone AS text))::date"
_ID = "lpad(e.id::text, 16, '0')"
# The reader's meter once the address was verified, else the device's; of what was recorded once a day,
# the reader, as metering/ledger.py has it since. A reader without a device was erased, or read by token
# alone. The day used to be UTC's: where two of them are one in the
# publication's zone, the first row of the day stays the one that is recorded once.
_CARRY = """
INSERT INTO access_ledger (
    day, holder, id, at, article_id, reader_id, device_id, granted, consumed, reason, wall,
    window_start, referrer_host, once
)
SELECT day, holder, id, at, article_id, reader_id, device_id, granted, consumed, reason, wall,
    window_start, referrer_host, {once}
FROM (
    SELECT {day} AS day, {id} AS id,
        CASE
            WHEN e.reader_id IS NOT NULL
                AND (e.once_key IS NOT NULL OR r.email_verified_at <= e.at)
                THEN 'reader:' || e.reader_id
            WHEN e.device_id IS NOT NULL THEN 'device:' || e.device_id
            WHEN e.reader_id IS NOT NULL THEN 'reader:' || e.reader_id
            ELSE 'device:unknown'
        END AS holder,
        e.at, e.article_id, e.reader_id, e.device_id, e.granted, e.consumed, e.reason, e.wall,
        e.window_start, e.referrer_host
    FROM access_ledger_before AS e LEFT JOIN readers AS r ON r.id = e.reader_id
    WHERE e.once_key {condition}
) AS carried
"""
_IS_FIRST = "1 = row_number() OVER (PARTITION BY day, holder, article_id ORDER BY at, id)"


def _define_day_in_zone() -> None:
    """SQLite knows no zones."""
    zone, connection = _zone(), op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("the connection to the database is closed")

    def day_in_zone(at: str) -> str:
        return datetime.fromisoformat(at).replace(tzinfo=UTC).astimezone(zone).date().isoformat()

    connection.create_function("day_in_zone", 1, day_in_zone)


def _create_months_of_old_rows() -> None:
    """A partition for each month that has rows, as metering/partitions.py makes them later."""
    months = sa.text(
        "SELECT DISTINCT date_trunc('month', at AT TIME ZONE CAST(:zone AS text))::date"
        " FROM access_ledger_before ORDER BY 1"
    )
    for (first,) in op.get_bind().execute(months, {"zone": _zone().key}).all():
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        op.execute(
            f"CREATE TABLE access_ledger_{first:%Y_%m} PARTITION OF access_ledger"
            f" FOR VALUES FROM ('{first}') TO ('{after}')"
        )


def _downgrade_ledger() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for index in (
        "uq_access_ledger_once", "ix_access_ledger_device", "ix_access_ledger_reader",
    ):  # fmt: skip
        op.drop_index(index, "access_ledger")
    if is_postgresql:
        op.execute("ALTER TABLE access_ledger RENAME CONSTRAINT pk_access_ledger TO pk_after")
    op.rename_table("access_ledger", "access_ledger_after")
    op.create_table(
        "access_ledger",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("article_id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=True),
        sa.Column("device_id", sa.String(), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("consumed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("wall", sa.String(), nullable=True),
        sa.Column("window_start", UtcDateTime(), nullable=True),
        sa.Column("referrer_host", sa.String(), nullable=True),
        sa.Column("once_key", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_ledger")),
        sa.UniqueConstraint("once_key", name=op.f("uq_access_ledger_once_key")),
    )
    op.create_index("ix_access_ledger_device", "access_ledger", ["device_id", "at"])
    op.create_index("ix_access_ledger_reader", "access_ledger", ["reader_id", "at"])
    op.execute(
        "INSERT INTO access_ledger (at, article_id, reader_id, device_id, granted, consumed, reason,"
        " wall, window_start, referrer_host, once_key)"
        " SELECT at, article_id, reader_id, device_id, granted, consumed, reason, wall,"
        " window_start, referrer_host,"
        " CASE WHEN once THEN day || '/' || holder || '/' || article_id END"
        " FROM access_ledger_after ORDER BY at, id"
    )
    op.drop_table("access_ledger_after")


def _touches() -> list[sa.Column[object]]:
    return [
        column
        for touch in ("first", "last")
        for column in (
            sa.Column(f"{touch}_at", UtcDateTime(), nullable=False),
            sa.Column(f"{touch}_referrer_host", sa.String(), nullable=True),
            sa.Column(f"{touch}_source", sa.String(), nullable=True),
            sa.Column(f"{touch}_medium", sa.String(), nullable=True),
            sa.Column(f"{touch}_campaign", sa.String(), nullable=True),
        )
    ]


def _upgrade_sources() -> None:
    op.create_table(
        "touches",
        sa.Column("holder", sa.String(), nullable=False),
        *_touches(),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_touches")),
    )
    op.create_table(
        "checkout_touches",
        sa.Column("checkout_id", sa.String(), nullable=False),
        *_touches(),
        sa.ForeignKeyConstraint(
            ["checkout_id"],
            ["checkouts.id"],
            name=op.f("fk_checkout_touches_checkout_id_checkouts"),
        ),
        sa.PrimaryKeyConstraint("checkout_id", name=op.f("pk_checkout_touches")),
    )


def _downgrade_sources() -> None:
    op.drop_table("checkout_touches")
    op.drop_table("touches")


def _upgrade_consents() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("wording", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["readers.id"], name=op.f("fk_consents_reader_id_readers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_reader_id"), "consents", ["reader_id"])
    for table in ("checkouts", "sign_in_requests"):
        op.add_column(table, sa.Column("newsletter", sa.Boolean(), nullable=True))
        op.add_column(table, sa.Column("newsletter_wording", sa.String(), nullable=True))


def _downgrade_consents() -> None:
    for table in ("checkouts", "sign_in_requests"):
        op.drop_column(table, "newsletter_wording")
        op.drop_column(table, "newsletter")
    op.drop_index(op.f("ix_consents_reader_id"), "consents")
    op.drop_table("consents")


def _upgrade_movements() -> None:
    """What subscriptions bring, and the discounts that it depends on."""
    op.add_column("readers", sa.Column("pseudonym", sa.String(), nullable=True))
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        # The running release stores subscriptions without these; reconciling corrects them.
        batch_op.add_column(
            sa.Column("recurring_amount", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("net_amount", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("discounts", Json(), server_default="[]", nullable=False))
    op.create_table(
        "movements",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("from_plan", sa.String(), nullable=True),
        sa.Column("from_interval", sa.String(), nullable=True),
        sa.Column("from_interval_count", sa.Integer(), nullable=True),
        sa.Column("from_listed", sa.Integer(), nullable=False),
        sa.Column("from_recurring", sa.Integer(), nullable=False),
        sa.Column("from_net", sa.Integer(), nullable=False),
        sa.Column("to_plan", sa.String(), nullable=True),
        sa.Column("to_interval", sa.String(), nullable=True),
        sa.Column("to_interval_count", sa.Integer(), nullable=True),
        sa.Column("to_listed", sa.Integer(), nullable=False),
        sa.Column("to_recurring", sa.Integer(), nullable=False),
        sa.Column("to_net", sa.Integer(), nullable=False),
        sa.Column("discounts", Json(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "number", name=op.f("pk_movements")),
    )
    with op.batch_alter_table("movements", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_movements_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_movements_customer"), ["customer"], unique=False)
    _carry_over_subscriptions()


def _downgrade_movements() -> None:
    op.drop_table("movements")
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_column("discounts")
        batch_op.drop_column("net_amount")
        batch_op.drop_column("recurring_amount")
    with op.batch_alter_table("readers", schema=None) as batch_op:
        batch_op.drop_column("pseudonym")


def _carry_over_subscriptions() -> None:
    """Each that brings something gets its first movement, so that movements add up to MRR.

    Their discounts aren't known here: the next reconciliation finds and corrects them.
    """
    connection = op.get_bind()
    subscriptions = sa.table(
        "subscriptions",
        sa.column("id"), sa.column("reader_id"), sa.column("plan"), sa.column("status"),
        sa.column("amount"), sa.column("recurring_amount"), sa.column("net_amount"),
        sa.column("currency"), sa.column("interval"), sa.column("interval_count"),
        sa.column("started_at", UtcDateTime()), sa.column("trial_end", UtcDateTime()),
        sa.column("pauses_collection", sa.Boolean()), sa.column("access_stop"),
    )  # fmt: skip
    readers = sa.table("readers", sa.column("id"), sa.column("pseudonym"))
    movements = sa.table(
        "movements",
        *(
            sa.column(name)
            for name in (
                "subscription_id", "number", "customer", "kind", "cause", "currency",
                "from_listed", "from_recurring", "from_net", "to_plan", "to_interval",
                "to_interval_count", "to_listed", "to_recurring", "to_net",
            )
        ),
        sa.column("at", UtcDateTime()),
        sa.column("discounts", Json()),
    )  # fmt: skip
    connection.execute(
        subscriptions.update().values(
            recurring_amount=subscriptions.c.amount, net_amount=subscriptions.c.amount
        )
    )
    brings = sa.and_(
        subscriptions.c.status.in_(("active", "past_due")),
        subscriptions.c.amount > 0,
        subscriptions.c.pauses_collection.is_(False),
        subscriptions.c.access_stop != "duplicate",
    )
    found = connection.execute(
        sa.select(subscriptions)
        .where(brings)
        .order_by(subscriptions.c.started_at, subscriptions.c.id)
    ).all()
    customers = {each.reader_id: f"ctm_{secrets.token_hex(12)}" for each in found}
    if not found:
        return
    connection.execute(
        readers.update()
        .where(readers.c.id == sa.bindparam("reader"))
        .values(pseudonym=sa.bindparam("customer")),
        [{"reader": reader, "customer": customer} for reader, customer in customers.items()],
    )
    openings = [_opening(each, customers[each.reader_id]) for each in sorted(found, key=_began)]
    known: set[object] = set()
    for opening in openings:
        # A second subscription of the same reader is no new subscriber.
        opening["kind"] = "expansion" if opening["customer"] in known else "new"
        known.add(opening["customer"])
    connection.execute(movements.insert(), openings)


def _began(row: sa.Row[tuple[object, ...]]) -> datetime:
    began: datetime = row.started_at
    return began if row.trial_end is None else max(began, row.trial_end)


def _opening(row: sa.Row[tuple[object, ...]], customer: str) -> dict[str, object]:
    return {
        "subscription_id": row.id,
        "number": 1,
        "customer": customer,
        "at": _began(row),
        "cause": "carried_over",
        "currency": row.currency,
        "from_listed": 0,
        "from_recurring": 0,
        "from_net": 0,
        "to_plan": row.plan,
        "to_interval": row.interval,
        "to_interval_count": row.interval_count,
        "to_listed": row.amount,
        "to_recurring": row.amount,
        "to_net": row.amount,
        "discounts": [],
    }
