"""Readers are named by their address wherever a page lists them, and found by it: never by an id alone."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape

import httpx2

from service.db.base import new_id
from service.db.tables import AuditEntry, GiftLink, GiftSubscription, Right, Seat
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW

pytestmark = on_sqlite

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
DAY = timedelta(days=1)
LISTS = {
    "/admin/readers": ("ana@a.example", "ben@b.example", "Reader without e-mail address"),
    "/admin?query=": ("ana@a.example",),
    "/admin/gift-links": ("ana@a.example",),
    "/admin/gift-subscriptions": ("ana@a.example", "ben@b.example"),
    "/admin/seats": ("ana@a.example", "ben@b.example"),
    "/admin/seats?owner=Ana@a.example": ("ana@a.example",),
    "/admin/entitlements": ("ben@b.example",),
    "/admin/entitlements?query=ben@b.example": ("ben@b.example",),
}
NOTHING = {
    "/admin/seats?owner=ben@b.example": "No seats found",
    "/admin/entitlements?query=ana@a.example": "No entitlements found",
}
OTHER_ACCESS = (
    "Other access As a gift , from 5 Mar 2026 until 9 Mar 2026 , over With a seat , from 4 Mar 2026"
)


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2])).split())


async def test_every_list_names_its_readers(signed_in: SignedIn, store: Store) -> None:
    offer, ferry = rows.offer(), rows.article("ferry", "The ferry")
    ana = rows.reader(email="Ana@a.example", email_key="ana@a.example")
    ben = rows.reader(email="ben@b.example", email_key="ben@b.example")
    nobody = rows.reader()
    team, paid = rows.subscription(ana, offer), rows.checkout(ana, offer, NOW - DAY)
    bought = rows.bought_pass(ana, offer, paid)
    await store(
        offer, ferry, ana, ben, nobody, team, paid, bought,
        rows.grant(ben, source="seat", starts_at=NOW - 6 * DAY), rows.grant(ben, source="gift", ends_at=NOW - DAY),
        GiftLink(
            id=new_id("gft"), reader_id=ana.id, article_id=ferry.id, month=NOW, most_readers=5, readers=1,
            created_at=NOW, ends_at=NOW + DAY, ended_at=None,
        ),
        Right(
            source="print", reference="KD-1", plan="digital", starts_at=NOW, ends_at=None, ended_at=None,
            email_hash=None, account_hash=None, number_hash=None, name_hash=None, reader_id=ben.id,
            bound_by="email", bound_at=NOW, created_at=NOW, updated_at=NOW,
        ),
        Seat(
            id=new_id("sea"), subscription_id=team.id, reader_id=ben.id, email=None, created_at=NOW,
            joined_at=NOW, ended_at=None,
        ),
    )  # fmt: skip
    await store(
        GiftSubscription(
            id=new_id("gsb"), checkout_id=paid.id, pass_id=bought.id, receiver_email=None, send_at=NOW,
            sent_at=None, created_at=NOW, paid_at=NOW, revoked_at=None, redeemed_at=NOW,
            redeemed_by=ben.id, starts_at=NOW, ends_at=NOW + DAY,
        ),
    )  # fmt: skip
    browser = await signed_in("viewer")
    for address, named in LISTS.items():
        text = text_of((await browser.get(address)).text)
        for each in named:
            assert each.lower() in text.lower(), address
        assert "rdr_" not in text, address
    for address, told in NOTHING.items():
        assert told in (await browser.get(address)).text
    ben_s = text_of((await browser.get(f"/admin/subscribers/{ben.id}")).text)
    assert OTHER_ACCESS in ben_s


async def test_ids_are_behind_a_mark_and_the_audit_log_names_readers(
    signed_in: SignedIn, store: Store
) -> None:
    offer, ana, nobody = rows.offer(), rows.reader(email="ana@a.example"), rows.reader()
    bought, given = rows.subscription(ana, offer), rows.grant(ana)
    done = [(ana.id, "payment.refund"), (given.id, "comp.give"), (nobody.id, "note.add")]
    await store(
        offer, ana, nobody, bought, given,
        *(
            AuditEntry(
                at=NOW, actor="command", action=action, target=target,
                after={"subscription": "sub_1", "amount": 900},
            )
            for target, action in done
        ),
    )  # fmt: skip
    browser = await signed_in("admin")
    for address in ("/admin/audit", f"/admin/subscribers/{ana.id}"):
        page = (await browser.get(address)).text
        for text in (ana.id, given.id, nobody.id, bought.id, bought.customer_id):
            assert text not in text_of(re.sub(r"(?s)<details.*?</details>", "", page)), address
    audit = text_of((await browser.get("/admin/audit")).text)
    assert audit.count("ana@a.example") == 2
    assert "Added a note 10 Mar 2026, 09:00 command Reader without e-mail address" in audit
    assert "subscription, amount" in audit
    assert bought.customer_id in (await browser.get(f"/admin/subscribers/{ana.id}")).text
