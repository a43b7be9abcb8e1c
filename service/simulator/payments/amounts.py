"""The least that Stripe charges (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts)."""

from service.simulator.protocol.errors import StripeError

_LEAST = {
    **dict.fromkeys(["aud", "brl", "cad", "chf", "eur", "inr", "jpy", "nzd", "sgd", "usd"], 50),
    **dict.fromkeys(["aed", "myr", "pln", "ron"], 200),
    **dict.fromkeys(["nok", "sek"], 300),
    **dict.fromkeys(["mxn", "thb"], 1000),
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
}
_SIGNS = {"eur": "€", "gbp": "£", "jpy": "¥", **dict.fromkeys(["aud", "cad", "hkd", "usd"], "$")}


def refuse_small(amount: int, currency: str, what: str, param: str) -> None:
    """Refuse to charge less (minor units) than Stripe does; nothing at all is no charge.

    Raises:
        StripeError: 400 amount_too_small, that `what` must be more.
    """
    least = _LEAST.get(currency, 1)
    if 0 < amount < least:
        text = str(least) if currency == "jpy" else f"{least / 100:.2f}"
        raise StripeError(
            400,
            f"{what} at least {_SIGNS.get(currency, '')}{text} {currency}",
            code="amount_too_small",
            param=param,
        )
