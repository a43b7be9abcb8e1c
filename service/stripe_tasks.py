"""What a serving process that sells something does in the background, besides: it asks Stripe."""

import structlog

from service.billing.apply_event import apply_due_events
from service.billing.import_job import IMPORT_TASK, Importer
from service.billing.inbox import INBOX_TASK
from service.billing.late_renewals import sync_late_renewals
from service.billing.missed import look_for_missed
from service.billing.reconcile_job import RECONCILE_TASK, Reconciler
from service.billing.watch import WebhookWatch
from service.db.context import context_in
from service.jobs.runner import Task
from service.offers.mirror import mirror_offers
from service.offers.portal import PortalMirror
from service.payments.gateway import Gateway, GatewayUnavailable
from service.running import Running

_MINUTE, _QUARTER = 60.0, 900.0

log = structlog.get_logger()


def stripe_tasks(running: Running, gateway: Gateway) -> tuple[Task, ...]:
    """All of it, for one serving process."""
    context, portal, watch = context_in(running), PortalMirror(), running.get(WebhookWatch)

    async def mirror() -> None:
        try:
            await mirror_offers(context.database, gateway)
            await portal.run(context.database, gateway, context.settings.publication)
        except GatewayUnavailable as error:
            log.warning("offers.waiting", reason=str(error))

    return (
        Task(INBOX_TASK, lambda: apply_due_events(context, gateway)),
        Task(RECONCILE_TASK, Reconciler(context, gateway).round, pause=_MINUTE),
        Task(IMPORT_TASK, Importer(context, gateway).round, pause=_MINUTE),
        Task("offers", mirror, pause=_MINUTE),
        Task("webhooks' watch", lambda: look_for_missed(watch, context, gateway), pause=_QUARTER),
        Task(
            "renewals", lambda: sync_late_renewals(context, gateway), pause=_MINUTE,
            begins_after=_MINUTE,
        ),
    )  # fmt: skip
