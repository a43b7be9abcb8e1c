"""Bank debits: a session is complete days before the money comes, or doesn't."""

from typing import Any

import pytest

from tests.simulator.local import LocalStripe
from tests.simulator.test_checkout_modes import once, one_off, setup

REFUSED = "DE62370400440532013001"
NO_MONEY = "DE65370400440002222227"
LATER = "DE08370400440532013003"


def debit(local: LocalStripe, session: Any, account: str | None = None) -> Any:
    """Pay a session by bank debit, through the hook."""
    answer = local.browser.post(
        f"/_sim/checkout/{session.id}/pay",
        json={"method": "bank_debit", "email": "ana@example.org"}
        | ({"account": account} if account else {}),
    )
    assert answer.status_code == 200, answer.text
    local.deliver()
    return local.v1.checkout.sessions.retrieve(session.id)


def events(local: LocalStripe) -> list[str]:
    """What was said about sessions, in its order."""
    return [kind for kind in local.receiver.types if kind.startswith("checkout.session.")]


def test_the_money_comes_five_days_later(local: LocalStripe) -> None:
    bought = debit(local, one_off(local))
    assert (bought.status, bought.payment_status) == ("complete", "unpaid")
    intent = local.v1.payment_intents.retrieve(
        bought.payment_intent, {"expand": ["payment_method"]}
    )
    assert (intent.status, intent.payment_method.type) == ("processing", "sepa_debit")
    assert intent.payment_method.sepa_debit.last4 == "3000"
    [charge] = local.v1.charges.list({"payment_intent": intent.id}).data
    assert (charge.status, charge.paid) == ("pending", False)
    local.move(days=4, hours=23)
    assert local.v1.checkout.sessions.retrieve(bought.id).payment_status == "unpaid"
    assert events(local) == ["checkout.session.completed"]
    local.move(hours=2)
    assert local.v1.checkout.sessions.retrieve(bought.id).payment_status == "paid"
    assert local.v1.charges.retrieve(charge.id).paid
    assert events(local) == [
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
    ]
    [first, second] = [
        entry["data"]["object"]["payment_status"]
        for entry in local.receiver.events
        if entry["type"].startswith("checkout.session.")
    ]
    assert (first, second) == ("unpaid", "paid")
    assert {"payment_intent.processing", "charge.pending", "charge.succeeded"} <= set(
        local.receiver.types
    )


@pytest.mark.parametrize(
    ("account", "code"), [(REFUSED, "debit_not_authorized"), (NO_MONEY, "insufficient_funds")]
)
def test_a_refused_debit_leaves_the_session_unpaid(
    local: LocalStripe, account: str, code: str
) -> None:
    bought = debit(local, one_off(local), account)
    local.move(days=6)
    assert local.v1.checkout.sessions.retrieve(bought.id).payment_status == "unpaid"
    assert events(local)[-1] == "checkout.session.async_payment_failed"
    intent = local.v1.payment_intents.retrieve(bought.payment_intent, {"expand": ["latest_charge"]})
    assert (intent.status, intent.latest_charge.status) == ("requires_payment_method", "failed")
    assert intent.latest_charge.failure_code == code


def test_an_account_holder_takes_the_money_back(local: LocalStripe) -> None:
    bought = debit(local, one_off(local), "DE35370400440532013002")
    local.move(days=6)
    assert local.v1.checkout.sessions.retrieve(bought.id).payment_status == "paid"
    [dispute] = local.v1.disputes.list({"payment_intent": bought.payment_intent}).data
    assert (dispute.amount, dispute.status) == (300, "needs_response")


def test_a_subscription_begins_when_its_first_debit_comes_in(local: LocalStripe) -> None:
    bought = debit(local, local.session(), LATER)
    assert bought.payment_status == "unpaid"
    waiting = local.v1.subscriptions.retrieve(bought.subscription, {"expand": ["latest_invoice"]})
    assert (waiting.status, waiting.latest_invoice.status) == ("incomplete", "open")
    local.move(days=9)  # long after a day: a debit under way doesn't expire
    assert local.v1.subscriptions.retrieve(waiting.id).status == "incomplete"
    local.move(days=2)
    begun = local.v1.subscriptions.retrieve(waiting.id, {"expand": ["latest_invoice"]})
    assert (begun.status, begun.latest_invoice.status) == ("active", "paid")
    assert events(local)[-1] == "checkout.session.async_payment_succeeded"
    local.move(days=21, hours=2)  # the renewal's debit is under way; nothing is overdue
    renewing = local.v1.subscriptions.retrieve(waiting.id, {"expand": ["latest_invoice"]})
    assert (renewing.status, renewing.latest_invoice.status) == ("active", "open")
    local.move(days=11)
    renewed = local.v1.subscriptions.retrieve(waiting.id, {"expand": ["latest_invoice"]})
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "paid")
    assert len(events(local)) == 2


def test_a_subscription_whose_first_debit_is_refused_never_begins(local: LocalStripe) -> None:
    bought = debit(local, local.session(), REFUSED)
    local.move(days=5, hours=1)
    assert local.v1.subscriptions.retrieve(bought.subscription).status == "incomplete"
    assert events(local)[-1] == "checkout.session.async_payment_failed"
    local.move(days=1)
    ended = local.v1.subscriptions.retrieve(bought.subscription, {"expand": ["latest_invoice"]})
    assert (ended.status, ended.latest_invoice.status) == ("incomplete_expired", "void")


@pytest.mark.parametrize(("account", "ends"), [(LATER, "active"), (REFUSED, "past_due")])
def test_a_subscription_may_be_active_before_the_money_is_there(
    local: LocalStripe, account: str, ends: str
) -> None:
    rules = local.browser.post("/_sim/rules", json={"debit_starts": "active"}).json()
    assert rules == {"dunning_end": "cancel", "debit_starts": "active"}
    wrong = local.browser.post("/_sim/rules", json={"debit_starts": "trialing"})
    assert wrong.status_code == 400
    bought = debit(local, local.session(), account)
    assert bought.payment_status == "unpaid"
    begun = local.v1.subscriptions.retrieve(bought.subscription, {"expand": ["latest_invoice"]})
    assert (begun.status, begun.latest_invoice.status) == ("active", "open")
    local.move(days=10, hours=1)
    assert local.v1.subscriptions.retrieve(bought.subscription).status == ends
    paid = local.v1.checkout.sessions.retrieve(bought.id).payment_status
    assert paid == ("paid" if ends == "active" else "unpaid")


@pytest.mark.parametrize("mode", ["payment", "subscription"])
@pytest.mark.parametrize("succeed", [True, False])
def test_a_test_settles_a_debit_when_it_wants(local: LocalStripe, mode: str, succeed: bool) -> None:
    session = one_off(local) if mode == "payment" else local.session()
    hook = f"/_sim/checkout/{session.id}/settle"
    assert local.browser.post(hook, json={"succeed": succeed}).status_code == 400
    debit(local, session)
    answer = local.browser.post(hook, json={"succeed": succeed})
    assert answer.json() == {"payment_status": "paid" if succeed else "unpaid"}
    assert local.browser.post(hook, json={"succeed": succeed}).status_code == 400
    local.move(days=20)  # the account's own answer doesn't come on top
    ending = "succeeded" if succeed else "failed"
    assert events(local)[1:] == [f"checkout.session.async_payment_{ending}"]


def test_an_account_is_saved_for_later_debits(local: LocalStripe) -> None:
    trial = debit(local, local.session(subscription_data={"trial_period_days": 7}))
    assert trial.payment_status == "no_payment_required"
    local.move(days=7, hours=2)
    begun = local.v1.subscriptions.retrieve(trial.subscription, {"expand": ["latest_invoice"]})
    assert (begun.status, begun.latest_invoice.status) == ("active", "open")
    local.move(days=6)
    paid = local.v1.subscriptions.retrieve(trial.subscription, {"expand": ["latest_invoice"]})
    assert (paid.status, paid.latest_invoice.status) == ("active", "paid")
    customer = local.customer(card=None)
    saved = debit(local, setup(local, customer=customer.id))
    assert saved.payment_status == "no_payment_required"
    [method] = local.v1.customers.payment_methods.list(customer.id).data
    assert method.type == "sepa_debit"


def test_the_hosted_page_takes_a_bank_account(local: LocalStripe) -> None:
    session = one_off(local)
    page = local.browser.get(f"/checkout/{session.id}")
    assert f"/checkout/{session.id}?method=bank_debit" in page.text
    path = f"/checkout/{session.id}?method=bank_debit"
    page = local.browser.get(path)
    assert "IBAN" in page.text
    assert "Card number" not in page.text
    form = {"email": "ana@example.org", "name": "Ana"}
    refused = local.browser.post(path, data={**form, "account": "DE00"})
    assert refused.status_code == 400
    assert 'aria-describedby="account-fault"' in refused.text
    paid = local.browser.post(path, data={**form, "account": "DE89 3704 0044 0532 0130 00"})
    assert paid.status_code == 303
    assert "under way" in local.browser.get(f"/checkout/{session.id}").text


def test_debits_are_for_euros_and_test_accounts(local: LocalStripe) -> None:
    dollars = one_off(local, once(local, currency="usd"))
    assert dollars.payment_method_types == ["card"]
    assert "bank debit" not in local.browser.get(f"/checkout/{dollars.id}").text
    excluded = one_off(local, excluded_payment_method_types=["sepa_debit"])
    for session, account in (
        (dollars, ""),
        (excluded, ""),
        (one_off(local), "DE44500105175407324931"),
        (one_off(local), "nonsense"),
    ):
        refused = local.browser.post(
            f"/_sim/checkout/{session.id}/pay", json={"method": "bank_debit", "account": account}
        )
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "account"
        assert local.v1.checkout.sessions.retrieve(session.id).status == "open"
