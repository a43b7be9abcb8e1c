"""What the service believes in the end is what the oracle says."""

from datetime import datetime

from sqlalchemy import select

from service.db.tables import Customer, DomainEvent, Grant
from service.identity.readers import settled_reader
from service.reports.movement_rollup import MOVEMENTS
from tests.billing.model.lives import Lives
from tests.billing.model.money import check_money
from tests.billing.model.oracle import Document, Oracle, live_by_holder


async def check(lives: Lives) -> None:
    """Grants, holders, one live subscription a reader, ledger and MRR equal the oracle's."""
    await MOVEMENTS.roll_up(lives.context)
    async with lives.database.reading() as session:
        oracle = await lives.oracle(session)
        holder = {
            each.id: await settled_reader(session, each.reader_id)
            for each in await session.scalars(select(Customer))
        }
        grants = {
            each.reference: each
            for each in await session.scalars(select(Grant).where(Grant.source == "subscription"))
        }
        told = list(await session.scalars(select(DomainEvent)))
        await check_money(session, oracle)
    subscriptions = list(oracle.subscriptions())
    for each in subscriptions:
        assert each["customer"] in holder, f"nobody was bound to {each['customer']}"
        until = oracle.open_until(each)
        grant = grants.get(each["id"])
        assert grant is not None or each["status"] == "incomplete_expired", each["id"]
        if grant is None:
            continue
        assert grant.reader_id == holder[each["customer"]]
        _compare(lives.clocks.business(), grant, until, each)
        _compare_ledger(told, oracle, each)
    assert set(grants) <= {each["id"] for each in lives.world.store.find("subscription", [])}
    sold = [each for each in subscriptions if oracle.our_item(each) is not None]
    for reader, live in live_by_holder(sold, holder).items():
        assert len(live) == 1, (reader, live)


def _compare(now: datetime, grant: Grant, until: datetime, subscription: Document) -> None:
    """Open or closed now, and where it is open, to the same instant."""
    here = grant.ends_at if grant.starts_at <= now else now
    assert here is not None
    assert (here == until) if until > now else (here <= now), (
        f"{subscription['id']} ({subscription['status']}): here until {here} ({grant.note}), "
        f"by Stripe until {until}, now {now}"
    )


def _compare_ledger(told: list[DomainEvent], oracle: Oracle, subscription: Document) -> None:
    theirs = [each for each in told if each.subject_id == subscription["id"]]
    kinds = [each.type for each in theirs]
    began = subscription["status"] not in {"incomplete", "incomplete_expired"}
    assert kinds.count("subscription.started") == int(began)
    assert kinds.count("subscription.ended") == int(subscription["status"] == "canceled")

    def invoices(kind: str) -> set[str]:
        return {str((each.after or {}).get("invoice")) for each in theirs if each.type == kind}

    # Of erased readers only that it happened is kept.
    if began and all(each.after is not None for each in theirs):
        assert invoices("subscription.renewed") == oracle.renewals(subscription)
        assert invoices("subscription.trial_paid") == oracle.trial_payment(subscription)
