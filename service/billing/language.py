"""How amounts, days and sentences about purchases are written in each language."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from service.currencies import decimals
from service.offers.pricing import amount_text
from service.outbox.translations import SOURCE_LANGUAGE, day_in, money_in, render_in, say_in


@dataclass(frozen=True)
class WrittenIn:
    """A language's code, and the time zone that its days are in. `billing.words.Language`."""

    code: str
    zone: ZoneInfo

    def say(self, text: str, **values: str) -> str:
        return say_in(self.code, text, **values)

    def day(self, at: datetime) -> str:
        """`10 March 2026`, `10. März 2026`."""
        return day_in(self.code, at, self.zone)

    def money(self, amount: int, currency: str) -> str:
        """`€9.00`, `9,00 €`; `amount` in the currency's minor unit. English as the offers have it."""
        if self.code == SOURCE_LANGUAGE:
            return amount_text(amount, currency)
        return money_in(self.code, Decimal(amount).scaleb(-decimals(currency)), currency)

    def price(self, amount: int, currency: str, interval: str, count: int) -> str:
        """`€9.00 a month`, `9,00 € alle 3 Monate`."""
        money = self.money(amount, currency)
        return render_in(
            self.code, "price.txt", amount=money, interval=interval, count=count
        ).strip()


def as_pages_are(zone: ZoneInfo) -> WrittenIn:
    """The language in which our pages and the walls' notes are written, whatever readers are mailed in."""
    return WrittenIn(SOURCE_LANGUAGE, zone)
