"""What the entries of the registry have in common."""

from service.reports.cells import Unit
from service.reports.figure import Parts, Series
from service.reports.led import SOURCES
from service.reports.metrics import ACTIVE_SUBSCRIBERS, MRR

LEDGER, MOVEMENTS = "the access ledger by day", "movements"
HOLDER = "A holder is a device, or a reader with the devices that they signed in or bought on."
HOLDER_BY_DAY = HOLDER.removesuffix(".") + ", as far as it is known a month after the day."
SAMPLED_BY_SOURCE = (
    "By source of more than a million reads and walls, or 40,000 holders, a sixteenth of the holders is counted, or a "
    "sixteenth of that. "
)
IN_TIME = (
    "An interval has a value once these days are over for everybody in it; the period as a whole is of "
    "those for whom they are. "
)
DEVICES = "Most of these are devices without a signed-in reader."
ARTICLES = "This figure counts articles: open an article for details."
BY_PRICE = ("plan", "interval_charged", "currency")
BY_PRICE_AND_SOURCE = (*BY_PRICE, *SOURCES)
BY_SALE = ("offer", "plan", "method", "country", "currency")
OF_MONEY, OF_READERS = MRR.denominator, ACTIVE_SUBSCRIBERS.denominator


def one(unit: Unit, words: str = "All") -> tuple[Series, ...]:
    """The only series of a figure."""
    return (Series("all", words, unit),)


def parts(*keys: str, of: str = "") -> tuple[Parts, ...]:
    """Series that add up; without keys the only one of a figure, whose splits do."""
    return (Parts(keys or ("all",), of),)


def several(unit: Unit, **words: str) -> tuple[Series, ...]:
    """Series of one unit: their words by their keys."""
    return tuple(Series(key, text, unit) for key, text in words.items())
