"""The money list: pages, API and files, with what adds up and what is refused."""

import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest

from service.db.keyset import Page
from service.db.session import Database
from service.db.tables import BalanceRow, ChargeRow, DisputeRow, InvoiceRow, PayoutRow, RefundRow
from service.html.list_query import ListQuery
from service.operators.money.lists import list_disputes, list_owing
from service.operators.money.words import dispute_words
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW

DAY = timedelta(days=1)
SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]


def invoice(id_: str, amount: int, **values: Any) -> InvoiceRow:
    defaults: dict[str, Any] = {
        "status": "open", "billing_reason": "subscription_cycle", "currency": "EUR",
        "subtotal": amount, "discount": 0, "tax": 0, "total": amount, "amount_due": amount,
        "amount_paid": 0, "amount_remaining": amount, "created_at": NOW - 3 * DAY,
        "finalized_at": NOW - 3 * DAY, "paid_at": None, "voided_at": None, "uncollectible_at": None,
        "attempt_count": 1, "next_attempt_at": NOW + DAY, "asked_at": NOW, "subscription_id": None,
    }  # fmt: skip
    return InvoiceRow(id=id_, **{**defaults, **values})


def charge(id_: str, **values: Any) -> ChargeRow:
    defaults: dict[str, Any] = {
        "payment_id": f"pi_{id_}", "invoice_id": None, "subscription_id": None,
        "sold": "subscription", "attempt": 1, "status": "succeeded", "amount": 900,
        "currency": "EUR", "method": "card", "country": "DE", "failure": "", "asked_at": NOW,
        "created_at": NOW - 3 * DAY,
    }  # fmt: skip
    return ChargeRow(id=id_, **{**defaults, **values})


def dispute(id_: str, charge_id: str, due: int, status: str = "needs_response") -> DisputeRow:
    return DisputeRow(
        id=id_, charge_id=charge_id, amount=900, currency="EUR", status=status,
        reason="fraudulent", due_at=NOW + due * DAY, created_at=NOW - DAY, asked_at=NOW,
    )  # fmt: skip


def moved(id_: str, category: str, amount: int, fee: int, **values: Any) -> BalanceRow:
    return BalanceRow(
        id=id_, category=category, amount=amount, fee=fee, fee_tax=0, net=amount - fee,
        currency="JPY", created_at=NOW, available_at=NOW, payout_id="po_1", asked_at=NOW,
        **{"source_id": f"of_{id_}", "charge_id": None, "offer_id": None, **values},
    )  # fmt: skip


@pytest.fixture
async def kept(store: Store) -> None:
    """Two owe, one of them tried no more; refunds, disputes, something foreign, and a payout in yen."""
    offer, reader = rows.offer(), rows.reader(email="=ana@example.org")
    bought = rows.subscription(reader, offer, id="sub_1")
    await store(reader, offer, bought)
    await store(
        invoice("in_small", 900, offer_id=offer.id, subscription_id="sub_1"),
        invoice("in_large", 5000, offer_id=offer.id, next_attempt_at=None),
        invoice("in_new", 700, offer_id=offer.id),
        invoice("in_paid", 700, offer_id=offer.id, status="paid", amount_remaining=0),
        charge("ch_1", status="failed", invoice_id="in_small", failure="lost_card"),
        charge(
            "ch_2", status="failed", invoice_id="in_small", failure="insufficient_funds",
            created_at=NOW - DAY,
        ),
        charge("ch_3", status="failed", invoice_id="in_large", failure="expired_card"),
        charge("ch_4", subscription_id="sub_1", offer_id=offer.id),
        charge("ch_5", subscription_id="sub_1", offer_id=offer.id),
        charge("ch_foreign", sold="other"),
        RefundRow(
            id="re_1", charge_id="ch_4", amount=400, currency="EUR", status="succeeded", reason="",
            created_at=NOW, asked_at=NOW,
        ),
        RefundRow(
            id="re_foreign", charge_id="ch_foreign", amount=1, currency="EUR", status="succeeded",
            reason="", created_at=NOW, asked_at=NOW,
        ),
        dispute("du_later", "ch_4", 9), dispute("du_soon", "ch_5", 2),
        dispute("du_lost", "ch_5", 1, "lost"), dispute("du_foreign", "ch_foreign", 1),
        PayoutRow(
            id="po_1", amount=636, currency="JPY", status="paid", failure="", is_automatic=True,
            created_at=NOW - DAY, arrives_at=NOW, asked_at=NOW,
        ),
        moved("txn_1", "charge", 1000, 59), moved("txn_2", "refund", -300, 0),
        moved("txn_3", "fee", 0, 5), moved("txn_4", "payout", -636, 0, source_id="po_1"),
    )  # fmt: skip


async def paged(database: Database, listing: Callable[..., Awaitable[Page[Any]]]) -> list[Any]:
    """A whole list, three rows at a time."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        async with database.reading() as session:
            found = await listing(session, ListQuery(limit=3, cursor=cursor))
        items += found.items
        cursor = found.next_cursor
        if cursor is None:
            return items


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@on_sqlite
@pytest.mark.usefixtures("kept")
async def test_the_page_says_who_owes_and_what_waits(signed_in: SignedIn) -> None:
    viewer = await signed_in("viewer")
    text = words((await viewer.get("/admin/money")).text)
    owing, rest = text.split("Open disputes.", 1)
    assert owing.index("€50.00") < owing.index("€9.00")
    assert "Not enough money on the account, 2 failed attempts" in owing
    assert "The card has expired, 1 failed attempt None: Stripe has stopped retrying" in owing
    assert "€7.00" not in owing
    disputes, payouts = rest.split("Stripe’s payouts to your bank", 1)
    assert disputes.index("12 Mar 2026") < disputes.index("19 Mar 2026")
    assert "Lost" not in disputes
    assert "¥636 Paid" in payouts
    assert "€4.00 Succeeded" in payouts
    assert "2 disputes awaiting your response" in words((await viewer.get("/admin")).text)


@pytest.mark.usefixtures("kept")
async def test_what_needs_an_answer_is_never_hidden(
    signed_in: SignedIn, store: Store, database: Database
) -> None:
    """The bank looks at 30 others, long after their deadlines."""
    await store(
        *(dispute(f"du_old_{each:02}", "ch_4", -each, "under_review") for each in range(30))
    )
    viewer = await signed_in("viewer")
    text = words((await viewer.get("/admin/money")).text)
    disputes = text.split("Open disputes.", 1)[1].split("Stripe’s payouts to your bank", 1)[0]
    assert disputes.count("Needs response") == 2
    assert disputes.index("Needs response") < disputes.index("Under review")
    assert "All disputes" in disputes
    assert "€59.00 2 open invoices" in text
    all_of_them = (await viewer.get("/admin/money/disputes?limit=20")).text
    following = re.search(r'rel="next" href="([^"]+)"', unescape(all_of_them))
    assert following is not None
    assert "Lost" in words((await viewer.get(following[1])).text)
    ids = [each.dispute.id for each in await paged(database, list_disputes)]
    assert ids[:3] == ["du_soon", "du_later", "du_old_29"]
    assert (len(ids), ids[-1]) == (33, "du_lost")


@pytest.mark.usefixtures("kept")
async def test_who_owes_most_is_said_by_currency(
    signed_in: SignedIn, store: Store, database: Database
) -> None:
    """10,000 yen are less than 90 euros: no rate is known here, so currencies never mix."""
    offer = rows.offer(name="In Japan")
    await store(offer)
    for id_, amount in (("in_yen", 10_000), ("in_yen_less", 9_999)):
        await store(
            invoice(id_, amount, offer_id=offer.id, currency="JPY"),
            charge(f"ch_{id_}", status="failed", invoice_id=id_),
        )
    viewer = await signed_in("viewer")
    ids = [each.invoice.id for each in await paged(database, list_owing)]
    assert ids == ["in_large", "in_small", "in_yen", "in_yen_less"]
    assert "by currency, largest amount first" in words((await viewer.get("/admin/money")).text)


@on_sqlite
@pytest.mark.usefixtures("kept")
async def test_a_payout_is_what_it_is_made_of(signed_in: SignedIn) -> None:
    """1000 − 59, less 300, less 5 for the account, is 636: yen have no smaller unit."""
    viewer = await signed_in("viewer")
    text = words((await viewer.get("/admin/money/payouts/po_1")).text)
    assert "Charges 1 ¥1,000 ¥59 ¥941" in text
    assert "Refunds 1 −¥300 ¥0 −¥300" in text
    assert "Total 3 ¥700 ¥64 ¥636" in text
    assert "is missing from this breakdown" not in text
    assert (await viewer.get("/admin/money/payouts/re_1")).status_code == 404


@on_sqlite
@pytest.mark.usefixtures("kept")
async def test_lists_as_files(signed_in: SignedIn) -> None:
    viewer = await signed_in("viewer")
    found = await viewer.get("/admin/money/export/owing")
    assert found.headers["Content-Disposition"] == 'attachment; filename="owing.csv"'
    table = list(csv.DictReader(io.StringIO(found.text)))
    assert [(each["invoice"], each["amount"], each["email"]) for each in table] == [
        ("in_large", "5000", ""), ("in_small", "900", "'=ana@example.org"),
    ]  # fmt: skip
    for name, ids in (
        ("refunds", ["re_1"]), ("payouts", ["po_1"]),
        ("disputes", ["du_soon", "du_later", "du_lost"]),
    ):  # fmt: skip
        lines = (await viewer.get(f"/admin/money/export/{name}")).text.splitlines()
        assert [line.partition(",")[0] for line in lines[1:]] == ids
    assert (await viewer.get("/admin/money/export/secrets")).status_code == 422
    assert (await viewer.get("/admin/money?cursor=x")).status_code == 422
    editor = await signed_in("editor")
    for path, status in (
        ("/admin/money", 403), ("/admin/money/refunds", 403), ("/admin/money/export/owing", 403),
        ("/admin/money/payouts", 200), ("/admin/money/payouts/po_1", 200),
        ("/admin/money/export/payouts", 200),
    ):  # fmt: skip
        assert (await editor.get(path)).status_code == status, path


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("needs_response", "Needs response"), ("warning_closed", "Inquiry, closed"),
        ("a_new_word", "A new word"),
    ],
)  # fmt: skip
def test_what_a_dispute_waits_for(status: str, said: str) -> None:
    assert dispute_words(status) == said


@on_sqlite
async def test_refunds_and_payouts_go_on(signed_in: SignedIn, store: Store) -> None:
    await store(charge("ch_1"))
    await store(
        *(
            RefundRow(
                id=f"re_{n:02}", charge_id="ch_1", amount=100 + n, currency="EUR", reason="",
                status="succeeded", created_at=NOW - n * DAY, asked_at=NOW,
            )
            for n in range(23)
        ),
        *(
            PayoutRow(
                id=f"po_{n:02}", amount=100 + n, currency="EUR", status="paid", failure="",
                is_automatic=True, created_at=NOW, arrives_at=NOW - n * DAY, asked_at=NOW,
            )
            for n in range(23)
        ),
    )  # fmt: skip
    viewer = await signed_in("viewer")
    first = (await viewer.get("/admin/money")).text
    for name in ("refunds", "payouts"):
        assert f'href="/admin/money/{name}"' in first
        begun = unescape((await viewer.get(f"/admin/money/{name}?limit=20")).text)
        following = re.search(r'rel="next" href="([^"]+)"', begun)
        assert following is not None
        assert "€1.22" not in begun
        assert "€1.22" in (await viewer.get(following[1])).text
        assert (await viewer.get(f"/admin/money/{name}?cursor=x")).status_code == 422
