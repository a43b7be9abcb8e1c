"""Search: the query language that https://docs.stripe.com/search documents."""

from typing import Any

import pytest
import stripe

from tests.simulator.local import LocalStripe


@pytest.fixture
def local(quiet: LocalStripe) -> LocalStripe:
    return quiet


def _customers(local: LocalStripe) -> None:
    for letter, name in (("a", "Ana Lima Sol"), ("b", "Bea O'Neill"), ("c", 'Cy "Sea" Sol')):
        local.v1.customers.create(
            {
                "email": f"{name.split()[0]}@Example.org",
                "name": name,
                "metadata": {"letter": letter, "it's": "x"} if letter != "c" else {},
            }
        )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:'ana@example.org'", "Ana"),
        ('email:"ANA@example.org"', "Ana"),
        ("email:'example.org'", ""),
        ("email~'example'", "Ana Bea Cy"),
        ("name:'lima sol'", "Ana"),
        ("name:'ana sol'", ""),
        ("name:'lim'", ""),
        ("name:'O\\'Neill'", "Bea"),
        ('name:"\\"Sea\\" Sol"', "Cy"),
        ("metadata['letter']:'b'", "Bea"),
        ('metadata["letter"]:"B"', "Bea"),
        ("metadata['it\\'s']:'x'", "Ana Bea"),
        ("metadata['letter']:null", "Cy"),
        ("-metadata['letter']:null", "Ana Bea"),
        ("-email:'ana@example.org'", "Bea Cy"),
        ("name~'sol' AND metadata['letter']:'a'", "Ana"),
        ("name~'sol' metadata['letter']:'a'", "Ana"),
        ("metadata['letter']:'a' or metadata['letter']:'b'", "Ana Bea"),
        ("metadata['letter']:'a' OR -name~'sol'", "Ana Bea"),
        ("created>1 AND created<=99999999999", "Ana Bea Cy"),
        ("created:'1'", ""),
        ("phone:null", "Ana Bea Cy"),
        ('email:"\' OR 1=1 --"', ""),
    ],
)
def test_customers_are_found(local: LocalStripe, query: str, found: str) -> None:
    _customers(local)
    answer = local.v1.customers.search({"query": query})
    assert answer.object == "search_result"
    assert sorted(customer.name.split()[0] for customer in answer.data) == found.split()


@pytest.mark.parametrize(
    ("resource", "query", "message"),
    [
        ("customers", "ana", "unable to parse your search query"),
        ("customers", "email:ana", "unable to parse your search query"),
        ("customers", "email:'ana' AND", "unable to parse your search query"),
        ("customers", "email:'ana'name:'ana'", "unable to parse your search query"),
        ("customers", "(email:'ana')", "unable to parse your search query"),
        ("customers", "email:'a' AND name:'b' OR name:'c'", "can't combine AND with OR"),
        ("customers", " ".join(["phone:null"] * 11), "at most 10 clauses"),
        ("customers", "status:'active'", "`status` is an unsupported search field"),
        ("customers", "metadata:'a'", "`metadata` is an unsupported search field"),
        ("payment_intents", "foo:'bar'", "`foo` is an unsupported search field"),
        ("customers", "email>'a'", "doesn't support `>`"),
        ("subscriptions", "status~'act'", "doesn't support `~`"),
        ("customers", "email~'an'", "at least 3 characters"),
        ("invoices", "total:'much'", "is no number"),
    ],
)
def test_other_queries_are_refused(
    local: LocalStripe, resource: str, query: str, message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message) as refused:
        getattr(local.v1, resource).search({"query": query})
    assert (refused.value.http_status, refused.value.param) == (400, "query")


def test_a_search_needs_a_query(local: LocalStripe) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        local.v1.prices.search({})
    assert (refused.value.code, refused.value.param) == ("parameter_missing", "query")


def _ids(answer: Any) -> list[str]:
    return [entry.id for entry in answer.data]


def test_what_is_bought_is_found(local: LocalStripe) -> None:
    v1 = local.v1
    price = local.price(lookup_key="monthly", metadata={"plan": "digital"})
    bought = local.subscribe(price, subscription_data={"metadata": {"order": "6735"}})
    other = local.subscribe()
    v1.subscriptions.cancel(other.id)
    query = "status:'active' AND metadata['order']:'6735'"
    assert _ids(v1.subscriptions.search({"query": query})) == [bought.id]
    assert _ids(v1.subscriptions.search({"query": "-canceled_at:null"})) == [other.id]
    query = "active:'true' AND lookup_key:'monthly' AND metadata['plan']:'digital'"
    assert _ids(v1.prices.search({"query": query})) == [price.id]
    query = f"subscription:'{bought.id}' AND total>=900 AND status:'paid'"
    [invoice] = v1.invoices.search({"query": query, "expand": ["data.customer"]}).data
    assert (invoice.id, invoice.customer.email) == (bought.latest_invoice, "ana@example.org")
    query = f"customer:'{bought.customer}' AND payment_method_details.card.last4:4242"
    assert len(v1.charges.search({"query": query}).data) == 1


def test_results_come_in_pages(local: LocalStripe) -> None:
    made = [local.v1.customers.create({"name": "Ana"}).id for _ in range(5)]
    wanted = {"query": "name:'ana'", "limit": 2, "expand": ["total_count"]}
    first = local.v1.customers.search(wanted)
    assert (first.has_more, first.total_count) == (True, 5)
    assert [entry.id for entry in first.auto_paging_iter()] == made[::-1]
    local.v1.customers.delete(made[0])
    assert local.v1.customers.search(wanted).total_count == 4
