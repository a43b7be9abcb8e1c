"""Keys, versions, idempotency, error shapes, and requests that no SDK would send."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import stripe

from service.simulator.world import API_VERSION
from tests.patience import PATIENCE
from tests.simulator.local import KEY, LocalStripe

AUTH = {"Authorization": f"Bearer {KEY}"}


def _client(local: LocalStripe, key: str, **options: Any) -> tuple[stripe.StripeClient, Any]:
    http = stripe.HTTPXClient(allow_sync_methods=True)
    client = stripe.StripeClient(
        key, base_addresses={"api": local.url}, http_client=http, **options
    )
    return client, http


@pytest.mark.parametrize("key", ["sk_live_secret", "rk_live_secret", "pk_test_public", "nonsense"])
def test_only_test_keys_come_in(local: LocalStripe, key: str) -> None:
    client, http = _client(local, key)
    with pytest.raises(stripe.AuthenticationError) as refused:
        client.v1.customers.list()
    http.close()
    assert refused.value.http_status == 401
    assert "secret" not in str(refused.value)


def test_a_key_may_come_by_basic_authentication(local: LocalStripe) -> None:
    assert local.browser.get("/v1/account", auth=(KEY, "")).status_code == 200
    for header in ({}, {"Authorization": "Basic !"}, {"Authorization": "Bearer"}):
        assert local.browser.get("/v1/account", headers=header).status_code == 401


def test_another_version_of_the_api_is_refused(local: LocalStripe) -> None:
    client, http = _client(local, KEY, stripe_version="2020-08-27")
    with pytest.raises(stripe.InvalidRequestError, match=API_VERSION):
        client.v1.customers.list()
    http.close()


def test_every_answer_has_a_request_id(local: LocalStripe) -> None:
    customer = local.v1.customers.create({})
    assert customer.last_response.request_id.startswith("req_")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.customers.retrieve("cus_none")
    error = refused.value
    assert str(error.request_id).startswith("req_")
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
    assert error.user_message == "No such customer: 'cus_none'"
    local.deliver()
    [event] = local.receiver.events
    assert event["request"]["id"] == customer.last_response.request_id


def test_the_same_key_and_parameters_get_the_same_answer(local: LocalStripe) -> None:
    params, options = {"email": "ana@example.org"}, {"idempotency_key": "one-click"}
    first = local.v1.customers.create(params, options)
    second = local.v1.customers.create(params, options)
    assert second.to_dict() == first.to_dict()
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert len(local.v1.customers.list().data) == 1
    with pytest.raises(stripe.IdempotencyError) as refused:
        local.v1.customers.create({"email": "other@example.org"}, options)
    assert refused.value.http_status == 400
    assert refused.value.error is not None
    assert refused.value.error.type == "idempotency_error"
    with pytest.raises(stripe.IdempotencyError):
        local.v1.products.create({"name": "Digital"}, options)
    local.deliver()
    [event] = local.receiver.events
    assert event["request"]["idempotency_key"] == "one-click"


def test_a_key_is_forgotten_after_a_day(local: LocalStripe) -> None:
    options = {"idempotency_key": "one-click"}
    first = local.v1.customers.create({}, options)
    local.move(days=1, seconds=1)
    assert local.v1.customers.create({"name": "Ana"}, options).id != first.id


def test_a_refused_request_leaves_its_key_free(local: LocalStripe) -> None:
    options = {"idempotency_key": "one-click"}
    with pytest.raises(stripe.InvalidRequestError):
        local.v1.products.create({}, options)
    assert local.v1.products.create({"name": "Digital"}, options).name == "Digital"
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        local.v1.products.create({"name": "Digital"}, {"idempotency_key": "k" * 256})


def test_a_kept_refusal_is_repeated(local: LocalStripe) -> None:
    customer = local.customer("pm_card_chargeCustomerFail")
    wanted = {"customer": customer.id, "items": [{"price": local.price().id}]}
    invoice = local.v1.subscriptions.create(wanted).latest_invoice
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            local.v1.invoices.pay(invoice, {}, {"idempotency_key": "pay"})
    assert local.v1.invoices.retrieve(invoice).attempt_count == 2


def test_parallel_requests_with_one_key_make_one_object(local: LocalStripe) -> None:
    def create(_: int) -> str:
        with httpx2.Client(base_url=local.url, timeout=PATIENCE) as client:
            answer = client.post(
                "/v1/customers",
                data={"email": "ana@example.org"},
                headers={**AUTH, "Idempotency-Key": "one-click"},
            )
        identifier: str = answer.json()["id"]
        return identifier

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(24)))) == 1
    assert len(local.v1.customers.list().data) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", "", 404),
        ("POST", "/v1/customers/", "", 404),
        ("POST", "/v1/charges", "amount=100", 404),
        ("POST", "/v1/subscription_schedules", "customer=cus_1", 404),
        ("POST", "/v1/customers", "email=a&email[b]=c", 400),
        ("POST", "/v1/customers", "email[b]=c&email=a", 400),
        ("POST", "/v1/customers", "metadata[a][b]=c", 400),
        ("POST", "/v1/customers", "metadata=a", 400),
        ("POST", "/v1/customers", "address[street]=a", 400),
        ("POST", "/v1/customers", "expand=a", 400),
        ("POST", "/v1/customers", "preferred_locales[²]=a", 400),
        ("POST", "/v1/customers", "=a&[x]=b&[=c", 400),
        ("POST", "/v1/customers", "email=%ff%00", 200),
        ("POST", "/v1/checkout/sessions", "mode=subscription&line_items=a", 400),
        ("POST", "/v1/checkout/sessions", "mode=subscription&line_items[9999999999999]=a", 400),
        ("POST", "/v1/subscriptions", "customer=", 400),
        ("GET", "/v1/events?types[]=a&types[]=b", "", 200),
        ("GET", "/v1/events?type[]=a", "", 400),
        ("GET", "/v1/subscriptions?status=nonsense", "", 400),
        ("GET", "/v1/prices?lookup_keys[]=' OR 1=1 --", "", 200),
        ("GET", "/v1/customers/cus_1' OR '1'='1", "", 404),
        ("GET", "/v1/customers/..%2f..%2fetc", "", 404),
    ],
)
def test_odd_requests_get_stripes_errors(
    local: LocalStripe, method: str, path: str, body: str, status: int
) -> None:
    answer = local.browser.request(
        method,
        path,
        content=body,
        headers={**AUTH, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == status, answer.text
    if status != 200:
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"]


@pytest.mark.parametrize(
    "to", ["yesterday", None, "", -1, "2020-01-01", "9999-12-31", 10**30, {"a": 1}, True]
)
def test_the_clock_refuses_what_is_no_future(local: LocalStripe, to: Any) -> None:
    before = local.now
    refused = local.browser.post("/_sim/clock", json={"to": to})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]
    assert local.now == before


def test_the_clock_takes_both_forms_of_time(local: LocalStripe) -> None:
    assert local.browser.post("/_sim/clock", json={"to": "2026-05-01T00:00:00Z"}).json() == {
        "now": 1777593600
    }
    assert local.browser.post("/_sim/clock", json={"to": "1777593601"}).json() == {
        "now": 1777593601
    }
    assert local.browser.post("/_sim/clock", content=b"[]").status_code == 400


def test_a_full_disk_is_told_and_changes_nothing(local: LocalStripe) -> None:
    local.subscribe()
    before, store = local.now, local.simulator.world.store.connection
    (size,) = store.execute("PRAGMA page_count").fetchone()
    store.execute(f"PRAGMA max_page_count = {size}")
    late = before + 3600 * 24 * 365
    for method, path, sent in (
        ("POST", "/_sim/clock", {"json": {"to": late}}),
        ("POST", "/v1/customers", {"data": {"name": "n" * 20_000}, "headers": AUTH}),
    ):
        refused = local.browser.request(method, path, **sent)
        assert refused.status_code == 500
        assert refused.json()["error"]["type"] == "api_error"
        assert "disk is full" in refused.json()["error"]["message"]
    assert local.now == before
    store.execute("PRAGMA max_page_count = 1000000")
    assert local.browser.post("/_sim/clock", json={"to": late}).json() == {"now": late}
