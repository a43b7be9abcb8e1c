"""The judge itself: it has to notice what is wrong, and every served operation has to face it."""

import copy
import json
from typing import Any

import pytest

from service.simulator.api import OPERATIONS
from service.simulator.world import API_VERSION
from tests.simulator.document import StripeDocument
from tests.simulator.local import LocalStripe

SESSION = ("GET", "/v1/checkout/sessions/{session}")


@pytest.fixture
def paid(local: LocalStripe) -> dict[str, Any]:
    """A paid session as the API answers it."""
    session = local.session()
    local.pay(session)
    shown: dict[str, Any] = json.loads(
        local.browser.get(
            f"/v1/checkout/sessions/{session.id}", headers={"Authorization": "Bearer sk_test_x"}
        ).text
    )
    return shown


@pytest.mark.parametrize(
    "damage",
    [
        {"id": None},
        {"status": "closed"},
        {"created": "today"},
        {"_sim": {}},
        {"shipping_details": None},
        {"customer": {"id": "cus_1", "object": "customer"}},
        {"total_details": {"amount_discount": 0}},
    ],
)
def test_the_judge_notices(
    document: StripeDocument, paid: dict[str, Any], damage: dict[str, Any]
) -> None:
    assert document.faults_of_answer(*SESSION, 200, paid, expanded=False) == []
    assert document.faults_of_answer(*SESSION, 200, {**paid, **damage}, expanded=False)
    without = copy.deepcopy(paid)
    del without["livemode"]
    assert document.faults_of_answer(*SESSION, 200, without, expanded=False)


def test_the_judge_notices_faults_of_events(document: StripeDocument, local: LocalStripe) -> None:
    local.customer()
    local.deliver()
    for event in local.receiver.events:
        assert document.faults_of_event(event) == []
        assert document.faults_of_event({**event, "api_version": "2020-08-27"})
        assert document.faults_of_event({**event, "type": "invoice.paid"})
        assert document.faults_of_event({**event, "type": "customer.greeted"})
        hollow = {**event, "data": {"object": {"object": event["data"]["object"]["object"]}}}
        assert document.faults_of_event(hollow)


def test_operations_and_their_parameters_are_stripes(document: StripeDocument) -> None:
    assert document.version == API_VERSION
    foreign = []
    for operation in OPERATIONS:
        described = document.described(operation.method, operation.template)
        assert described is not None, operation.template
        foreign += [
            f"{operation.method} {operation.template}: {name}"
            for name in operation.params - described.parameters - {"expand"}
        ]
    assert foreign == []
