"""What is kept of scheduled ends follows what is heard from Stripe."""

from datetime import timedelta

from service.reports.scheduled_rollup import look_up_scheduled
from tests.billing.desk import Desk
from tests.databases import on_sqlite
from tests.reports.figures_asked import asked, lines_of


@on_sqlite
async def test_what_is_heard_changes_past_committed_mrr_at_once(desk: Desk) -> None:
    """Scheduled to end, taken back, and scheduled again, each looked at two days later."""
    _, customer = await desk.reader()
    subscription = desk.subscribe(customer)
    found = []
    for ends in (False, True, False, True):
        desk.stripe.subscriptions.update(subscription, {"cancel_at_period_end": ends})
        await desk.hear()
        desk.travel(days=2)
        found.append(await _committed_yesterday(desk))
        await look_up_scheduled(desk.context)
        assert await _committed_yesterday(desk) == found[-1]
    every, nothing = (await desk.row(subscription)).recurring_amount, 0
    assert every > 0
    assert found == [every, nothing, every, nothing]


async def _committed_yesterday(desk: Desk) -> object:
    now = desk.clocks.business()
    day = str(now.date() - timedelta(days=1))
    [line] = await lines_of(desk.database, "committed-mrr", asked(day, day, "day", now=now))
    return line.total.value
