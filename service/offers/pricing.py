"""What a price may be, and how it reads: pure, no I/O.

Amounts are integers in the currency's minor unit **as Stripe counts it** (Stripe, "Supported
currencies"): ISO 4217's exponent, save that ISK and UGX are written with two decimals that are
always zero, and MGA with none.
"""

from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

Interval = Literal["day", "week", "month", "year"]

_ZERO_DECIMALS = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905 readable
)
_THREE_DECIMALS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_TWO_DECIMALS = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CNY",
        "COP",
        "CRC",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "ISK",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "SAR",
        "SBD",
        "SCR",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "STD",
        "SZL",
        "THB",
        "TJS",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "UGX",
        "USD",
        "UYU",
        "UZS",
        "WST",
        "XCD",
        "YER",
        "ZAR",
        "ZMW",
    ]
)
# Stripe refuses amounts that aren't a multiple of these (its pages on three-decimal currencies
# and on ISK and UGX).
_STEPS = {**dict.fromkeys(_THREE_DECIMALS, 10), "ISK": 100, "UGX": 100}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_LONGEST_PERIOD = {"day": 1095, "week": 156, "month": 36, "year": 3}
"""Stripe bills at least every three years."""
LARGEST_AMOUNT = 99_999_999
LONGEST_TRIAL_DAYS = 730


class InvalidPrice(ValueError):
    """`field` can't have this value, for the reason given."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True)
class Price:
    """`amount` in the currency's minor unit for each `interval_count` intervals."""

    amount: int
    currency: str
    interval: Interval
    interval_count: int = 1
    trial_days: int = 0


def checked_price(
    *, amount: int, currency: str, interval: str, interval_count: int = 1, trial_days: int = 0
) -> Price:
    """The price, its currency in capitals, or InvalidPrice."""
    currency = currency.upper()
    if currency not in _ZERO_DECIMALS | _TWO_DECIMALS | _THREE_DECIMALS:
        raise InvalidPrice("currency", f"{currency!r} is no ISO 4217 code that Stripe charges in")
    if not 0 < amount <= LARGEST_AMOUNT:
        raise InvalidPrice("amount", f"{amount} isn't between 1 and {LARGEST_AMOUNT} minor units")
    step = _STEPS.get(currency, 1)
    if amount % step:
        raise InvalidPrice("amount", f"Stripe charges {currency} in multiples of {step} only")
    if not _is_interval(interval):
        raise InvalidPrice("interval", f"{interval!r} is none of {', '.join(get_args(Interval))}")
    longest = _LONGEST_PERIOD[interval]
    if not 1 <= interval_count <= longest:
        raise InvalidPrice("interval_count", f"1 to {longest} {interval}s are possible")
    if not 0 <= trial_days <= LONGEST_TRIAL_DAYS:
        raise InvalidPrice("trial_days", f"0 to {LONGEST_TRIAL_DAYS} days are possible")
    return Price(amount, currency, interval, interval_count, trial_days)


def _is_interval(value: str) -> TypeGuard[Interval]:
    return value in get_args(Interval)


def decimals(currency: str) -> int:
    """How many digits of an amount stand behind the decimal point."""
    if currency in _ZERO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def amount_text(amount: int, currency: str) -> str:
    """`€9.00`, `¥500`, `CHF 12.50`."""
    places = decimals(currency)
    whole, fraction = divmod(amount, 10**places)
    value = f"{whole:,}.{fraction:0{places}d}" if places else f"{whole:,}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{value}" if symbol else f"{currency} {value}"


def price_text(price: Price) -> str:
    """What a buyer reads: `€9.00 a month`, `30 days free, then €25.00 every 3 months`."""
    period = (
        f"a {price.interval}"
        if price.interval_count == 1
        else f"every {price.interval_count} {price.interval}s"
    )
    text = f"{amount_text(price.amount, price.currency)} {period}"
    if not price.trial_days:
        return text
    days = "1 day" if price.trial_days == 1 else f"{price.trial_days} days"
    return f"{days} free, then {text}"


def trial_days_for(offered: int, *, subscribed_before: bool) -> int:
    """The trial this buyer gets: one a reader."""
    return 0 if subscribed_before else offered
