"""`paywall import stripe`: what it prints, what it refuses, and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.db.session import Database
from service.db.tables import AuditEntry, Offer, Subscription
from service.settings import Settings
from tests.checkout.rows import rows
from tests.cli.conftest import Paywall, one_sentence
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.ports import free_port
from tests.served import Installation, installation
from tests.stripe_at_hand import sdk


@pytest.fixture
def quiet(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(settings, clocks, webhooks=False) as made:
        yield made


def variables(site: Installation) -> dict[str, str]:
    return {
        "PAYWALL_STRIPE_SECRET_KEY": "sk_test_local",
        "PAYWALL_STRIPE_API_BASE": site.stripe_url,
    }


def subscribe(stripe: Any, price: str, **customer: str) -> str:
    """Somebody whom only Stripe knows; the subscription."""
    made = stripe.customers.create(customer)
    card = stripe.payment_methods.attach("pm_card_visa", {"customer": made.id})
    bought = stripe.subscriptions.create(
        {"customer": made.id, "items": [{"price": price}], "default_payment_method": card.id}
    )
    return str(bought.id)


@on_sqlite
def test_what_is_printed_reported_and_mapped(
    paywall: Paywall, quiet: Installation, tmp_path: Path
) -> None:
    quiet.subscribe()  # which makes the offers' prices
    stripe = variables(quiet)
    offer = next(
        each for each in rows(quiet, Offer) if each.stripe_price_id and not each.trial_days
    )
    with sdk(quiet.stripe_url) as at_stripe:
        product = at_stripe.products.create({"name": "Mugs"}).id
        price = {"unit_amount": 700, "currency": "eur", "recurring": {"interval": "month"}}
        mug = at_stripe.prices.create({**price, "product": product}).id
        ana = subscribe(at_stripe, offer.stripe_price_id or "", email="ana@example.org")
        bo = subscribe(at_stripe, mug, email="bo@example.org")
        subscribe(at_stripe, offer.stripe_price_id or "")
    report = tmp_path / "report.jsonl"
    tried = paywall("import", "stripe", "--dry-run", "--report", str(report), **stripe)
    assert (tried.code, tried.err) == (0, "")
    assert tried.out.startswith(
        "2 subscriptions of 2 customers would be imported, with 2 MRR movements"
    )
    assert "1 known already, 1 of other prices" in tried.out
    assert "MRR of these subscriptions: €" in tried.out
    assert f"{mug}: €7.00 a month, product {product}: 1 subscription" in tried.out
    assert "No address to sign in with (1)" in tried.out
    assert tried.out.endswith("Nothing was changed: run it again without --dry-run.\n")
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert {each["subscription"] for each in lines} >= {ana}
    assert len(rows(quiet, Subscription)) == 1
    table = tmp_path / "prices.csv"
    table.write_text(f"price,offer\n{mug},{offer.id}\n")
    done = paywall("import", "stripe", "--table", str(table), **stripe)
    assert done.out.startswith("3 subscriptions of 3 customers imported")
    assert bo in {each.id for each in rows(quiet, Subscription)}
    again = paywall("import", "stripe", "--map", f"{mug}={offer.id}", **stripe)
    assert again.out.startswith("0 subscriptions of 0 customers imported")
    (audited,) = [each for each in rows(quiet, AuditEntry) if each.action == "stripe.import"]
    assert (audited.actor, audited.after) == ("command", {"customers": 3, "subscriptions": 3})
    agreed = paywall("reconcile", **stripe)
    assert agreed.code == 0, agreed.out
    assert "Example: paywall import stripe" in paywall("import", "stripe", "--help").out


@on_sqlite
def test_refusals_are_sentences(paywall: Paywall, quiet: Installation, tmp_path: Path) -> None:
    quiet.subscribe()
    stripe = variables(quiet)
    header, bad, latin = (tmp_path / name for name in ("header.csv", "bad.csv", "latin.csv"))
    header.write_text("offer,price\n")
    bad.write_text("price,offer\nprice_1\nprice_2,off_1,more\n")
    latin.write_bytes(b"price,offer\n\xff,off\n")
    refused: dict[str, tuple[str, ...]] = {
        "write PRICE=OFFER": ("--map", "price_1"),
        "there is no 'price_nobody' on this account": ("--map", "price_nobody=off_1"),
        "first line must be price,offer": ("--table", str(header)),
        "line 2, 3": ("--table", str(bad)),
        "CSV in UTF-8": ("--table", str(latin)),
        "can't be read": ("--table", "/nowhere.csv"),
        "can't be written": ("--report", "/nowhere/report.jsonl"),
    }
    for why, options in refused.items():
        told = paywall("import", "stripe", *options, **stripe)
        assert (told.code, told.out) == (1, ""), options
        assert why in told.err
        assert one_sentence(told.err), told.err
    nothing = paywall("import", "stripe")
    assert nothing.code == 1
    assert "Selling is off" in nothing.err
    port = free_port()
    away = paywall(
        "import", "stripe", **{**stripe, "PAYWALL_STRIPE_API_BASE": f"http://127.0.0.1:{port}"}
    )
    assert (away.code, away.out) == (3, "")
    assert "run the command again and it goes on" in away.err


@on_sqlite
def test_a_key_of_another_account_or_mode_imports_nothing(
    paywall: Paywall, quiet: Installation
) -> None:
    quiet.subscribe()

    async def leave(database: Database) -> None:
        bought = Offer.stripe_price_id.is_not(None)
        async with database.transaction() as session:
            await session.execute(
                update(Offer).where(bought).values(stripe_price_id="price_of_test_mode_" + Offer.id)
            )

    quiet.in_database(leave)
    told = paywall("import", "stripe", **variables(quiet))
    assert told.code == 1
    assert "Stripe doesn't know the price price_of_test_mode_" in told.err
    assert "sk_test_ or sk_live_" in told.err
