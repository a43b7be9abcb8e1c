"""Which figures have a list behind them; that it has as many rows is shown with each figure (lists_behind.py)."""

from datetime import timedelta

from service.db.session import Database
from service.operators.reports.behind import list_behind
from service.reports.counted_list import Counted
from service.reports.registry import FIGURES
from tests.reports import rows
from tests.reports.figures_asked import asked, store
from tests.reports.lists_behind import listed
from tests.reports.rows import NOW
from tests.reports.test_promotions import once

DAY = timedelta(days=1)


def test_what_counts_people_leads_to_them_or_says_why_not() -> None:
    """Figures by hand where no list can be: a new one needs a list or a reason."""
    lacking = {
        (figure.slug, each.key)
        for figure in FIGURES
        for each in figure.series
        if each.unit in {"readers", "count"}
        and each.key not in figure.nameless
        and each.key not in getattr(list_behind(figure), "series", ())
    }
    assert not lacking
    for figure in FIGURES:
        keys = {each.key for each in figure.series}
        assert figure.nameless.keys() <= keys
        if figure.listing is not None:
            assert set(figure.listing.series) <= keys
            assert set(figure.listing.of_all) <= set(figure.listing.series)
    assert {each.slug for each in FIGURES if each.nameless} == {
        "usage-rights", "registration-funnel", "funnel", "wall-funnel", "prompt-funnel", "meter-depth", "articles",
        "article-conversion",
    }  # fmt: skip


async def _listed(database: Database, slug: str, series: str) -> list[Counted]:
    async with database.reading() as session:
        what = asked("2026-03-01", "2026-03-31", now=NOW + DAY)
        address = f"/admin/reports/{slug}/rows?from=2026-03-01&to=2026-03-31&series={series}"
        return await listed(session, address, what)


async def test_a_row_has_the_offer_that_was_paid_for(database: Database) -> None:
    """Not the one that the subscription was switched to since; passes and gifts have theirs, too. Of a charge
    whose offer isn't known none is shown.
    """
    reader, article = rows.reader(), "one article"
    before, now, once_only, present = (
        rows.offer(), rows.offer(), rows.offer(kind="pass", name=article), rows.offer(kind="gift"),
    )  # fmt: skip
    bought = rows.subscription(reader, now)
    click = rows.checkout(reader, before, NOW - 5 * DAY, stripe_subscription_id=bought.id)
    clicks = [rows.checkout(reader, each, NOW - DAY) for each in (once_only, present)]
    passes = [
        rows.bought_pass(reader, offer, paid)
        for offer, paid in zip((once_only, present), clicks, strict=True)
    ]
    owed = rows.invoice(bought, offer_id=before.id, created_at=NOW - 2 * DAY)
    paid = {"status": "succeeded", "failure": ""}
    await store(
        database, reader, before, now, once_only, present, bought, click, *clicks, *passes,
        once(passes[0], "MAIL", "pass"), once(passes[1], "MAIL", "gift"), owed,
        rows.movement(bought, 1, NOW - 5 * DAY), rows.failed_charge(owed),
        rows.failed_charge(owed, id="ch_1", **paid), rows.failed_charge(owed, id="ch_2", offer_id=None, **paid),
        rows.failed_charge(
            owed, id="ch_3", payment_id=passes[0].id, invoice_id=None, subscription_id=None,
            offer_id=once_only.id, sold="pass", **paid,
        ),
    )  # fmt: skip
    for slug, series, offers in (
        ("refunds-and-disputes", "charges", [once_only.id, None, before.id]),
        ("dunning", "begun", [before.id]),
        ("sources", "first", [before.id]),
        ("promotions", "passes", [once_only.id]),
        ("promotions", "gifts", [present.id]),
        ("active-subscribers", "all", [now.id]),
    ):
        found = await _listed(database, slug, series)
        assert [each.offer_id for each in found] == offers, slug
    assert (await _listed(database, "promotions", "passes"))[0].offer_name == article


async def test_both_lists_of_active_subscribers_say_since_when_each_first_paid(
    database: Database,
) -> None:
    """Who left and returned, with another subscription of another plan: since the first one."""
    reader, old, new = rows.reader(pseudonym="ctm_1"), rows.offer(plan="weekend"), rows.offer()
    gone, bought = rows.subscription(reader, old), rows.subscription(reader, new)
    first = NOW - 90 * DAY
    await store(
        database, reader, old, new, gone, bought, rows.movement(gone, 1, first),
        rows.ending(gone, 2, NOW - 60 * DAY),
        rows.movement(bought, 1, NOW - 9 * DAY, kind="reactivation"),
    )  # fmt: skip
    for slug, series, also in (
        ("active-subscribers", "all", ""), ("active-subscribers", "all", "&plan=digital"),
        ("joined-and-left", "end", ""), ("active-days", "days", ""),
    ):  # fmt: skip
        found = await _listed(database, slug, series + also)
        assert [each.at for each in found] == [first], (slug, also)
    assert (await _listed(database, "active-subscribers", "all"))[0].subscription_id == bought.id
    assert not await _listed(database, "active-subscribers", "all&plan=weekend")
