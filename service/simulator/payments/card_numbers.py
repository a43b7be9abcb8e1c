"""The test cards (https://docs.stripe.com/testing) and what each of them does."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from service.simulator.protocol.errors import StripeError

PAYING_CARD = "4242424242424242"
_DECLINED = "Your card was declined."
_BRANDS = {"2": "mastercard", "5": "mastercard", "6": "discover", "4": "visa"}
_LONGER = {
    "34": "amex",
    "37": "amex",
    "30": "diners",
    "36": "diners",
    "35": "jcb",
    "62": "unionpay",
}


@dataclass(frozen=True)
class Decline:
    """Why a bank refuses a charge; `field` is where the form shows it."""

    code: str
    decline_code: str | None
    message: str
    field: str = "card"

    def error(self) -> StripeError:
        """The refusal as the API words it."""
        return StripeError(
            402,
            self.message,
            kind="card_error",
            code=self.code,
            decline_code=self.decline_code,
            param={"card": None, "exp": "exp_year"}.get(self.field, self.field),
        )


@dataclass(frozen=True)
class Card:
    """A test card: `on_attach` refuses it at once, `on_charge` each time money is asked.

    `names` are those of Stripe's payment methods and tokens for it, without `pm_card_` and `tok_`.
    `asks` says when its bank wants its holder to confirm (3-D Secure): until that was done once
    for charges in the holder's absence, or at every charge; `set_up`: it was done before the card
    came to us. A charge to one that `disputes` is contested for `dispute_reason`; `refund_later` is
    what becomes of a refund within an hour.
    """

    number: str
    names: tuple[str, ...] = ()
    country: str = "US"
    funding: Literal["credit", "debit", "prepaid"] = "credit"
    on_attach: Decline | None = None
    on_charge: Decline | None = None
    asks: Literal["never", "until_set_up", "always"] = "never"
    set_up: bool = False
    disputes: Literal["never", "chargeback", "inquiry"] = "never"
    dispute_reason: str = "fraudulent"
    refund_later: Literal["succeeded", "failed"] | None = None
    risk: Literal["normal", "elevated", "highest"] = "normal"
    cvc_check: Literal["pass", "fail"] = "pass"

    @property
    def fingerprint(self) -> str:
        """The same for the same number, always."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]

    @property
    def brand(self) -> str:
        """As the API writes it: `visa`, `amex`."""
        return _LONGER.get(self.number[:2]) or _BRANDS[self.number[0]]


_GENERIC = Decline("card_declined", "generic_decline", _DECLINED)
_NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_FRAUD = Decline("card_declined", "fraudulent", _DECLINED)

_BY_BRAND = (
    Card(PAYING_CARD, ("visa", "us")),
    Card("4000056655665556", ("visa_debit",), funding="debit"),
    Card("5555555555554444", ("mastercard",)),
    Card("2223003122003222"),
    Card("5200828282828210", ("mastercard_debit",), funding="debit"),
    Card("5105105105105100", ("mastercard_prepaid",), funding="prepaid"),
    Card("378282246310005", ("amex", "amex_threeDSecureNotSupported")),
    Card("371449635398431"),
    Card("6011111111111117", ("discover",)),
    Card("6011000990139424"),
    Card("6011981111111113", funding="debit"),
    Card("3056930009020004", ("diners",)),
    Card("36227206271667"),
    Card("6555900000604105"),
    Card("3566002020360505", ("jcb",), country="JP"),
    Card("3530111333300000", country="JP"),
    Card("6200000000000005", ("unionpay",), country="CN"),
    Card("6200000000000047", country="CN", funding="debit"),
    Card("6205500000000000004", country="CN"),
    Card("5200007840000022", ("ae_mastercard",), country="AE"),
    Card("4000058260000005", ("gb_debit",), country="GB", funding="debit"),
    Card("5555558265554449", ("gb_mastercard",), country="GB"),
    Card("4000007640000003", ("th_credit",), country="TH"),
    Card("4000057640000008", ("th_debit",), country="TH", funding="debit"),
)
_BY_COUNTRY = tuple(
    Card(number, (code,), country=code.upper())
    for code, number in {
        "ae": "4000007840000001",
        "ar": "4000000320000021",
        "at": "4000000400000008",
        "au": "4000000360000006",
        "be": "4000000560000004",
        "bg": "4000001000000000",
        "br": "4000000760000002",
        "by": "4000001120000005",
        "ca": "4000001240000000",
        "ch": "4000007560000009",
        "cl": "4000001520000001",
        "cn": "4000001560000002",
        "co": "4000001700000003",
        "cr": "4000001880000005",
        "cy": "4000001960000008",
        "cz": "4000002030000002",
        "de": "4000002760000016",
        "dk": "4000002080000001",
        "ec": "4000002180000000",
        "ee": "4000002330000009",
        "es": "4000007240000007",
        "fi": "4000002460000001",
        "fr": "4000002500000003",
        "gb": "4000008260000000",
        "gi": "4000002920000005",
        "gr": "4000003000000030",
        "hk": "4000003440000004",
        "hr": "4000001910000009",
        "hu": "4000003480000005",
        "ie": "4000003720000005",
        "in": "4000003560000008",
        "it": "4000003800000008",
        "jp": "4000003920000003",
        "li": "4000004380000004",
        "lt": "4000004400000000",
        "lu": "4000004420000006",
        "lv": "4000004280000005",
        "mt": "4000004700000007",
        "mx": "4000004840008001",
        "my": "4000004580000002",
        "nl": "4000005280000002",
        "no": "4000005780000007",
        "nz": "4000005540000008",
        "pa": "4000005910000000",
        "pe": "4000006040000068",
        "pl": "4000006160000005",
        "pt": "4000006200000007",
        "py": "4000006000000066",
        "ro": "4000006420000001",
        "se": "4000007520000008",
        "sg": "4000007020000003",
        "si": "4000007050000006",
        "sk": "4000007030000001",
        "tw": "4000001580000008",
        "uy": "4000008580000003",
    }.items()
)
_DECLINING = (
    Card("4000000000000002", ("visa_chargeDeclined", "chargeDeclined"), on_attach=_GENERIC),
    Card(
        "4000000000009995",
        ("visa_chargeDeclinedInsufficientFunds", "chargeDeclinedInsufficientFunds"),
        on_attach=_NO_FUNDS,
    ),
    Card(
        "4000000000009987",
        ("visa_chargeDeclinedLostCard",),
        on_attach=Decline("card_declined", "lost_card", _DECLINED),
    ),
    Card(
        "4000000000009979",
        ("visa_chargeDeclinedStolenCard",),
        on_attach=Decline("card_declined", "stolen_card", _DECLINED),
    ),
    Card(
        "4000000000006975",
        ("visa_chargeDeclinedVelocityLimitExceeded",),
        on_attach=Decline(
            "card_declined",
            "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently or exceeding its "
            "amount limit.",
        ),
    ),
    Card(
        "4000000000000069",
        ("chargeDeclinedExpiredCard",),
        on_attach=Decline("expired_card", "expired_card", "Your card has expired.", "exp"),
    ),
    Card(
        "4000000000000127",
        ("chargeDeclinedIncorrectCvc",),
        on_attach=Decline(
            "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "cvc"
        ),
    ),
    Card(
        "4000000000000119",
        ("chargeDeclinedProcessingError",),
        on_attach=Decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
    Card("4000000000000341", ("chargeCustomerFail", "visa_chargeCustomerFail"), on_charge=_GENERIC),
    Card(
        "4100000000000019",
        ("radarBlock", "chargeDeclinedFraudulent"),
        on_charge=_FRAUD,
        risk="highest",
    ),
    Card("4000000000004954", ("riskLevelHighest",), on_charge=_FRAUD, risk="highest"),
    Card("4000000000009235", ("riskLevelElevated",), risk="elevated"),
    Card("4000000000000101", ("cvcCheckFail",), cvc_check="fail"),
    Card("4000000000000036", ("avsZipFail",)),
    Card("4000000000000028", ("avsLine1Fail",)),
    Card("4000000000000010", ("avsFail",)),
    Card("4000000000000044", ("avsUnchecked",)),
)
_AFTERWARDS = (
    Card("4000000000000259", ("createDispute",), disputes="chargeback"),
    Card(
        "4000000000002685",
        ("createDisputeProductNotReceived",),
        disputes="chargeback",
        dispute_reason="product_not_received",
    ),
    Card("4000000000001976", ("createDisputeInquiry",), disputes="inquiry"),
    Card("4000000000005423", ("createIssuerFraudRecord",)),
    Card("4000000404000079", ("createMultipleDisputes",), disputes="chargeback"),
    Card("4000000000007726", ("pendingRefund",), refund_later="succeeded"),
    Card("4000000000005126", ("refundFail",), refund_later="failed"),
    Card("4000000000000077", ("bypassPending",)),
    Card("4000003720000278", ("bypassPendingInternational",), country="IE"),
)
_AUTHENTICATED = (
    Card("4000002500003155", ("authenticationRequiredOnSetup",), asks="until_set_up"),
    Card("4000002760003184", ("authenticationRequired",), asks="always"),
    Card(
        "4000003800000446",
        ("authenticationRequiredSetupForOffSession",),
        asks="until_set_up",
        set_up=True,
    ),
    Card(
        "4000008260003178",
        ("authenticationRequiredChargeDeclinedInsufficientFunds",),
        asks="always",
        on_charge=_NO_FUNDS,
    ),
    Card(
        "4000000000003220",
        ("threeDSecure2Required", "threeDSecureRequired"),
        country="IE",
        asks="until_set_up",
    ),
    Card("4000008400000027", asks="until_set_up"),
    Card(
        "4000008400001629",
        ("threeDSecureRequiredChargeDeclined",),
        asks="until_set_up",
        on_charge=_GENERIC,
    ),
    Card("4000008400001280", ("threeDSecureRequiredProcessingError",), on_charge=_GENERIC),
    Card("4000000000003055", ("threeDSecureOptional",)),
    Card("4000000000003097", ("threeDSecureOptionalProcessingError",)),
)
CARDS = {
    card.number: card
    for card in (*_BY_BRAND, *_BY_COUNTRY, *_DECLINING, *_AFTERWARDS, *_AUTHENTICATED)
}
NAMED = {
    f"{prefix}{name}": card
    for prefix in ("pm_card_", "tok_")
    for card in CARDS.values()
    for name in card.names
}
