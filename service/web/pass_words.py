"""A pass in its reader's words: what it opens until when, or why it doesn't: pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from service.reports.bought import PassFacts
from service.web.words import moment


def pass_line(facts: PassFacts, now: datetime, zone: ZoneInfo) -> str:
    """One sentence or two on a pass that isn't over at the business time `now`."""
    name = f"Your pass {facts.offer_name}"
    if facts.access_stop == "dispute":
        return (
            f"{name} is on hold because you or your bank disputed the payment. If that is a mistake,"
            " ask your bank to withdraw the dispute."
        )
    if facts.access_stop:
        return f"{name} has been refunded. You can buy another one."
    if facts.article is None:
        what = f"the plan {facts.plan}"
    elif facts.article.title is None:
        what = "one article"
    else:
        what = f"“{facts.article.title}”"
    end = moment(facts.ends_at, zone)
    if facts.starts_at > now:
        start = moment(facts.starts_at, zone)
        return f"{name} opens {what} from {start} until {end}."
    return f"{name} opens {what} until {end}."
