"""Whether each channel to the world outside has gone quiet, or only has nothing to say: pure, no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.texts import number_of

MOST_AHEAD = timedelta(seconds=30)
"""Tokens and webhooks allow for 60 seconds: the difference is named before anything is refused."""
LATE = timedelta(minutes=10)
STRIPE_SILENT = timedelta(hours=1)
"""The service asks Stripe every quarter of an hour."""
_WHY = {
    "signature": "its signature doesn't match. Set PAYWALL_STRIPE_WEBHOOK_SECRET to the endpoint's secret",
    "time": "its timestamp is too old or in the future. Check this machine's clock",
    "body": "it can't be read. Check the endpoint's API version: paywall stripe setup --check",
    "too large": "it is larger than PAYWALL_MAX_BODY_KILOBYTES",
}
"""Requests without a signature aren't among them: strangers send those."""


@dataclass(frozen=True)
class Refused:
    """Webhooks that were refused since this process began: how many, and the last one."""

    count: int
    reason: str
    at: datetime


@dataclass(frozen=True)
class Facts:
    """What is known at `now`, in wall time. None: it never happened, or isn't known.

    `ahead`: of Stripe's clock. `mail_since` and `job_since`: since when the oldest waits that should
    be gone. `events_missed`: events of the last hour that Stripe lists and we don't have.
    """

    now: datetime
    sells: bool = False
    mails: bool = False
    database: str = ""
    database_at: datetime | None = None
    keys: str = ""
    stripe_at: datetime | None = None
    stripe_refuses: str = ""
    ahead: timedelta | None = None
    webhook_at: datetime | None = None
    webhook_refused: Refused | None = None
    events_missed: int = 0
    mail_at: datetime | None = None
    mail_since: datetime | None = None
    job_at: datetime | None = None
    job_since: datetime | None = None
    jobs_given_up: int = 0


@dataclass(frozen=True)
class Channel:
    """`trouble` says what is wrong and what to do; empty: nothing is known to be wrong."""

    name: str
    last_good: datetime | None
    trouble: str

    def age(self, now: datetime) -> int | None:
        """Seconds since it was last good."""
        return (
            None if self.last_good is None else max(0, int((now - self.last_good).total_seconds()))
        )


def channels(facts: Facts) -> tuple[Channel, ...]:
    """Each channel that this installation uses."""
    return tuple(_channels(facts))


def _channels(facts: Facts) -> Iterator[Channel]:
    yield Channel("database", facts.database_at, facts.database)
    yield Channel("keys", None if facts.keys else facts.now, facts.keys)
    yield Channel("jobs", facts.job_at, _jobs(facts))
    if facts.mails:
        yield Channel("mail", facts.mail_at, _mail(facts))
    if facts.sells:
        yield Channel("stripe", facts.stripe_at, _stripe(facts))
        yield Channel("webhooks", facts.webhook_at, _webhooks(facts))
        yield Channel("clock", None if facts.ahead is None else facts.stripe_at, _clock(facts))


def _are_late(facts: Facts) -> bool:
    return facts.job_since is not None and facts.now - facts.job_since > LATE


def _jobs(facts: Facts) -> str:
    if _are_late(facts):
        return "Jobs are overdue and no process runs them. Restart the service and check its log."
    if facts.jobs_given_up:
        return f"{number_of(facts.jobs_given_up, 'job')} failed. See /admin/jobs."
    return ""


def _mail(facts: Facts) -> str:
    if _are_late(facts):
        return ""  # no process runs jobs: the mail server may never have been asked
    if facts.mail_since is not None and facts.now - facts.mail_since > LATE:
        return (
            f"A mail has been waiting for more than {LATE.seconds // 60} minutes. Check PAYWALL_SMTP_URL, and see "
            "/admin/jobs for the mail server's response."
        )
    return ""


def _stripe(facts: Facts) -> str:
    if facts.stripe_refuses:
        return facts.stripe_refuses
    if facts.stripe_at is not None and facts.now - facts.stripe_at > STRIPE_SILENT:
        return "Stripe doesn't respond. Check the network and status.stripe.com."
    return ""


def _webhooks(facts: Facts) -> str:
    refused = facts.webhook_refused
    if refused is not None and (facts.webhook_at is None or refused.at > facts.webhook_at):
        last = "" if refused.count == 1 else ", the last one"
        return (
            f"{number_of(refused.count, 'webhook')} refused{last} because {_WHY[refused.reason]}."
        )
    if facts.events_missed:
        return (
            f"{number_of(facts.events_missed, 'event')} of the last hour didn't arrive. Check the endpoint in "
            "Stripe's dashboard, then fetch what is missing: paywall reconcile --fix."
        )
    return ""


def _clock(facts: Facts) -> str:
    if facts.ahead is None or abs(facts.ahead) <= MOST_AHEAD:
        return ""
    seconds = int(facts.ahead.total_seconds())
    way = "ahead of" if seconds > 0 else "behind"
    return f"This machine's clock is {abs(seconds)} seconds {way} Stripe's. Set it, for example by NTP."
