"""Gathering what is known of each channel: from the database, from Stripe's last answers, from this process."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import Depends
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.watch import WebhookWatch
from service.clock import Clocks
from service.db.base import UtcDateTime
from service.db.session import Database
from service.outbox.queue import JOB as MAIL_JOB
from service.payments.reach import Payments
from service.problems import Problem
from service.reports.channels import Channel, Facts, Refused, channels
from service.running import Running, part
from service.settings import Settings
from service.tokens.keys import KeyRingHolder

_FRESH = timedelta(seconds=10)
"""A balancer asks more often than the database should be."""

# By names: whether an instance is ready is asked before anything else, and these tables take a tenth of a start to map.
_TIMES = ("webhook_at", "mail_at", "mail_since", "job_at", "job_since")
_STORED = (
    text("""
SELECT (SELECT max(received_at) FROM stripe_inbox WHERE told_by = 'webhook') AS webhook_at,
       (SELECT max(sent_at) FROM mails) AS mail_at,
       (SELECT min(created_at) FROM jobs
         WHERE status = 'waiting' AND kind = :mail AND (due_at <= :now OR attempts > 0)) AS mail_since,
       (SELECT max(finished_at) FROM jobs WHERE status = 'done') AS job_at,
       (SELECT min(due_at) FROM jobs WHERE status = 'waiting' AND due_at <= :now) AS job_since,
       (SELECT count(*) FROM jobs WHERE status = 'failed' AND kind <> :mail) AS jobs_given_up""")
    .bindparams(bindparam("now", type_=UtcDateTime))
    .columns(jobs_given_up=Integer, **dict.fromkeys(_TIMES, UtcDateTime))
)

log = structlog.get_logger()


class ChannelWatch:
    """The channels as one process sees them."""

    def __init__(self) -> None:
        self._found: tuple[Channel, ...] = ()
        self._found_at: datetime | None = None
        self._database_at: datetime | None = None
        self._warned: dict[str, str] = {}

    async def look(self, running: Running) -> tuple[Channel, ...]:
        """Each channel now, or some seconds ago. Never fails: the database is one of them."""
        now = running.get(Clocks).wall()
        if self._found_at is None or not timedelta(0) <= now - self._found_at < _FRESH:
            self._found = channels(await self._gather(running, now))
            self._found_at = now
        return self._found

    async def warn(self, running: Running) -> None:
        """Log each channel once that has gone quiet, and once that it is well again."""
        for each in await self.look(running):
            if each.trouble and self._warned.get(each.name) != each.trouble:
                log.warning("channel.quiet", channel=each.name, trouble=each.trouble)
            elif self._warned.get(each.name) and not each.trouble:
                log.info("channel.good", channel=each.name)
            self._warned[each.name] = each.trouble

    async def _gather(self, running: Running, now: datetime) -> Facts:
        settings, payments = running.get(Settings), running.get(Payments)
        watch = running.get(WebhookWatch)
        stored: dict[str, Any] = {}
        database = ""
        try:
            stored = await running.get(Database).at_once(partial(stored_facts, now=now))
            self._database_at = now
        except Problem as problem:
            database = problem.type.title
        contact = payments.made.contact if payments.made is not None else None
        age = contact.age if contact is not None else None
        return Facts(
            now,
            sells=payments.sells,
            mails=bool(settings.mail_from),
            database=database,
            database_at=self._database_at,
            keys=running.get(KeyRingHolder).trouble,
            stripe_at=None if age is None else now - age,
            stripe_refuses=contact.key_refused if contact is not None else "",
            ahead=contact.ahead(now) if contact is not None else None,
            webhook_refused=Refused(watch.count, *watch.last) if watch.last else None,
            events_missed=watch.missed,
            **stored,
        )


async def stored_facts(session: AsyncSession, now: datetime) -> dict[str, Any]:
    """The members of `Facts` that the database knows."""
    found = await session.execute(_STORED, {"now": now, "mail": MAIL_JOB})
    return dict(found.mappings().one())


def gauges(found: tuple[Channel, ...], now: datetime) -> Sequence[Metric]:
    """The figures for Prometheus."""
    good = GaugeMetricFamily(
        "paywall_channel_good",
        "1: nothing is known to be wrong, 0: see /readyz",
        labels=["channel"],
    )
    since = GaugeMetricFamily(
        "paywall_channel_last_good_seconds", "Since it was last good", labels=["channel"]
    )
    for each in found:
        good.add_metric([each.name], not each.trouble)
        age = each.age(now)
        if age is not None:
            since.add_metric([each.name], age)
    return [good, since]


AppChannelWatch = Annotated[ChannelWatch, Depends(part(ChannelWatch))]
