"""Bank debits in the shape of Stripe's `sepa_debit`: money that comes, or doesn't, days later."""

import hashlib
import re
from dataclasses import dataclass

from service.simulator.periods import DAY
from service.simulator.protocol.errors import StripeError, invalid_parameter
from service.simulator.store import JSON
from service.simulator.world import World

PAYING_ACCOUNT = "DE89370400440532013000"
SETTLES_AFTER = 5 * DAY
_CURRENCY = "eur"


@dataclass(frozen=True)
class Account:
    """A test account (https://docs.stripe.com/payments/sepa-debit): what becomes of its debits."""

    number: str
    failure: str | None = None
    disputes: bool = False
    settles_after: int = SETTLES_AFTER


ACCOUNTS = {
    account.number: account
    for account in (
        Account(PAYING_ACCOUNT),
        Account("DE08370400440532013003", settles_after=2 * SETTLES_AFTER),
        Account("DE62370400440532013001", failure="debit_not_authorized"),
        Account(
            "DE78370400440532013004",
            failure="debit_not_authorized",
            settles_after=2 * SETTLES_AFTER,
        ),
        Account("DE35370400440532013002", disputes=True),
        Account("DE65370400440002222227", failure="insufficient_funds"),
    )
}


def payment_method_types(currency: str | None) -> list[str]:
    """What a payment in this currency may be made with."""
    return ["card", "sepa_debit"] if currency == _CURRENCY else ["card"]


def read_account(number: str, currency: str | None = _CURRENCY) -> Account:
    """The test account somebody typed.

    Raises:
        StripeError: 400, no account number, not a test account, or not a payment in euros.
    """
    if "sepa_debit" not in payment_method_types(currency):
        raise invalid_parameter("account", "A bank debit is possible in EUR only; use a card.")
    compact = re.sub(r"\s", "", number).upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", compact):
        raise invalid_parameter(
            "account", "The IBAN you entered is invalid.", "invalid_bank_account_iban"
        )
    account = ACCOUNTS.get(compact)
    if account is None:
        raise StripeError(
            400,
            f"The local Stripe takes only its test accounts: {', '.join(ACCOUNTS)}.",
            code="bank_account_unusable",
            param="account",
        )
    return account


def debit_fields(account: Account) -> JSON:
    """What Stripe shows of an account."""
    return {
        "bank_code": account.number[4:12],
        "branch_code": None,
        "country": account.number[:2],
        "fingerprint": hashlib.sha256(account.number.encode()).hexdigest()[:16],
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.number[-4:],
    }


def account_of(method: JSON) -> Account | None:
    """The account behind a payment method, None for a card."""
    return ACCOUNTS.get(method["_sim"].get("account", ""))


def charge_details(world: World, method: JSON) -> JSON:
    """A charge's `payment_method_details.sepa_debit`."""
    shown = {key: method["sepa_debit"][key] for key in ("bank_code", "branch_code", "country")}
    same = {key: method["sepa_debit"][key] for key in ("fingerprint", "last4")}
    return {**shown, **same, "mandate": world.new_id("mandate", 24)}
