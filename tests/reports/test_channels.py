"""A channel that has gone quiet is told from one that has nothing to say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from service.payments.contact import Contact
from service.reports.channels import Channel, Facts, Refused, channels

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ALL = Facts(
    NOW, sells=True, mails=True, database_at=NOW, stripe_at=NOW - MINUTE, ahead=timedelta(0),
    webhook_at=NOW - HOUR, mail_at=NOW - HOUR, job_at=NOW - MINUTE,
)  # fmt: skip


def troubles(facts: Facts) -> dict[str, str]:
    return {each.name: each.trouble for each in channels(facts) if each.trouble}


def test_what_is_used_is_named_and_nothing_is_wrong() -> None:
    assert [each.name for each in channels(ALL)] == [
        "database", "keys", "jobs", "mail", "stripe", "webhooks", "clock",
    ]  # fmt: skip
    assert [each.name for each in channels(Facts(NOW))] == ["database", "keys", "jobs"]
    assert troubles(ALL) == {}
    assert {each.age(NOW) for each in channels(ALL)} == {0, 60, 3600}
    assert Channel("mail", None, "").age(NOW) is None


@pytest.mark.parametrize(
    ("changed", "channel", "says"),
    [
        ({"database": "The database can't be reached"}, "database", "can't be reached"),
        ({"keys": "not loaded"}, "keys", "not loaded"),
        ({"job_since": NOW - 11 * MINUTE}, "jobs", "Restart"),
        ({"jobs_given_up": 2}, "jobs", "2 jobs failed"),
        ({"mail_since": NOW - 11 * MINUTE}, "mail", "more than 10 minutes. Check PAYWALL_SMTP_URL"),
        # Without a process that runs jobs the mail server isn't to blame.
        ({"mail_since": NOW - 11 * MINUTE, "job_since": NOW - 11 * MINUTE}, "jobs", "Restart"),
        ({"jobs_given_up": 1}, "jobs", "1 job failed"),
        ({"stripe_refuses": "Stripe refuses our API key."}, "stripe", "refuses our API key"),
        ({"stripe_at": NOW - 2 * HOUR}, "stripe", "doesn't respond"),
        (
            {"webhook_refused": Refused(3, "signature", NOW)},
            "webhooks",
            "3 webhooks refused, the last one because its signature",
        ),
        ({"webhook_refused": Refused(3, "time", NOW)}, "webhooks", "clock"),
        (
            {"webhook_refused": Refused(1, "body", NOW)},
            "webhooks",
            "1 webhook refused because it can't be read",
        ),
        ({"webhook_refused": Refused(1, "too large", NOW)}, "webhooks", "MAX_BODY"),
        ({"events_missed": 4}, "webhooks", "4 events"),
        ({"ahead": 2 * HOUR}, "clock", "7200 seconds ahead of"),
        ({"ahead": -MINUTE}, "clock", "60 seconds behind"),
        # Nothing to say, or over again.
        ({"job_since": NOW - MINUTE, "mail_since": NOW - MINUTE}, None, ""),
        ({"webhook_at": None, "mail_at": None, "job_at": None}, None, ""),
        ({"webhook_refused": Refused(3, "signature", NOW - 2 * HOUR)}, None, ""),
        ({"ahead": timedelta(seconds=-30), "stripe_at": NOW - 20 * MINUTE}, None, ""),
        ({"ahead": None, "stripe_at": None}, None, ""),
    ],
)
def test_each_kind_of_quiet(changed: dict[str, Any], channel: str | None, says: str) -> None:
    found = troubles(replace(ALL, **changed))
    assert set(found) == ({channel} if channel else set())
    if channel:
        assert says in found[channel]


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        (format_datetime(NOW, usegmt=True), 5 * MINUTE),
        (format_datetime(NOW + HOUR, usegmt=True), -55 * MINUTE),
        ("yesterday", None),
        ("", None),
    ],
)
def test_our_clock_beside_stripes(date: str, ahead: timedelta | None) -> None:
    seconds = 100.0
    contact = Contact(lambda: seconds)
    assert (contact.age, contact.ahead(NOW)) == (None, None)
    contact.key_refused = "It has expired."
    contact.answered({"Date": date} if date else {})
    seconds = 160.0
    assert (contact.age, contact.key_refused) == (MINUTE, "")
    assert contact.ahead(NOW + 6 * MINUTE) == ahead
