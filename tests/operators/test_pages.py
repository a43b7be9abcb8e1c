"""What the pages show."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import unescape
from zoneinfo import ZoneInfo

import httpx2
import pytest

from service.access.reasons import REASONS
from service.db.base import Base
from service.operators.frame.pages import fact_text
from service.reports.metrics import (
    ACTIVE_SUBSCRIBERS,
    COLLECTION_PAUSED,
    COMMITTED_MRR,
    MRR,
    MRR_AFTER_DISCOUNTS,
    TRIALS,
)
from tests.databases import on_sqlite
from tests.reports import rows
from tests.reports.rows import NOW

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>@example.org'


@on_sqlite
async def test_figures_stand_beside_their_definitions(signed_in: SignedIn, store: Store) -> None:
    euro, yen = rows.offer(), rows.offer(currency="JPY", amount=12000, interval="year")
    readers = [rows.reader() for _ in range(4)]
    await store(
        euro, yen, *readers,
        rows.subscription(readers[0], euro),
        rows.subscription(readers[1], yen, cancel_at=NOW),
        rows.subscription(readers[2], euro, status="trialing"),
        rows.subscription(readers[3], euro, pauses_collection=True),
    )  # fmt: skip
    page = unescape((await (await signed_in("viewer")).get("/admin")).text)
    values = re.findall(r'<dd class="value">([^<]+?) ?<', page)
    both = ["€9.00", "¥1,000"]
    assert values == ["2", "1", "1", *both, *both, "€9.00"]
    for meaning in (
        ACTIVE_SUBSCRIBERS, COLLECTION_PAUSED, TRIALS, MRR, MRR_AFTER_DISCOUNTS, COMMITTED_MRR,
    ):  # fmt: skip
        assert meaning.definition in page
        assert meaning.denominator in page


async def test_the_list_pages_through_everybody_once(signed_in: SignedIn, store: Store) -> None:
    offer = rows.offer()
    readers = [rows.reader() for _ in range(250)]
    subscriptions = [
        rows.subscription(reader, offer, started_at=NOW - timedelta(hours=place // 9))
        for place, reader in enumerate(readers)
    ]
    await store(offer, *readers, *subscriptions)
    browser = await signed_in("viewer")
    address: str | None = "/admin?plan=digital"
    seen: list[str] = []
    while address is not None:
        page = unescape((await browser.get(address)).text)
        assert ("<h1>More matching subscribers</h1>" in page) == ("cursor=" in address)
        seen += re.findall(r'href="/admin/subscribers/([a-z0-9_]+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1] if following else None
        assert address is None or "plan=digital" in address
    assert len(seen) == len(set(seen)) == 250
    assert set(seen) == {reader.id for reader in readers}


@on_sqlite
async def test_the_filter_keeps_what_was_chosen_and_says_when_nothing_matches(
    signed_in: SignedIn, store: Store
) -> None:
    offer, ana, ben = (
        rows.offer(),
        rows.reader(email="ana@a.example"),
        rows.reader(email="ben@b.example"),
    )
    late = rows.subscription(ana, offer, status="past_due")
    await store(offer, ana, ben, late, rows.subscription(ben, offer))
    browser = await signed_in("viewer")
    found = (await browser.get("/admin?query=&status=past_due&plan=")).text
    assert "ana@a.example" in found
    assert "ben@b.example" not in found
    assert '<option value="past_due" selected>Payment overdue</option>' in found
    nothing = (await browser.get("/admin?query=nobody&status=&plan=")).text
    assert "No subscriber matches" in nothing
    assert 'value="nobody"' in nothing


@on_sqlite
async def test_everybody_is_in_the_list_of_readers(signed_in: SignedIn, store: Store) -> None:
    ana = rows.reader(email="ana@a.example", email_verified_at=NOW)
    ben = rows.reader(email=HOSTILE)
    await store(ana, ben, rows.grant(ben))
    browser = await signed_in("viewer")
    page = (await browser.get("/admin/readers")).text
    assert f'href="/admin/subscribers/{ana.id}">ana@a.example</a>' in page
    assert "Registered</td>" in page
    assert "<script>" not in page
    comped = (await browser.get("/admin/readers?query=&kind=comped")).text
    assert "ana@a.example" not in comped
    assert '<option value="comped" selected>Comped readers</option>' in comped
    assert "Comped until revoked" in comped
    await store(
        rows.grant(ana, ends_at=NOW + timedelta(days=9)), rows.grant(ana, ends_at=NOW + timedelta(days=5)),
        rows.grant(ana, ends_at=NOW - timedelta(days=5)),
    )  # fmt: skip
    assert "Comped until 19 Mar 2026, registered" in (await browser.get("/admin/readers")).text
    nothing = (await browser.get("/admin/readers?query=nobody")).text
    assert "No reader matches" in nothing


@on_sqlite
async def test_the_list_of_readers_says_who_owes_how_much(
    signed_in: SignedIn, store: Store
) -> None:
    offer, ana = rows.offer(), rows.reader(email="ana@a.example")
    bought = rows.subscription(ana, offer, status="past_due")
    over = rows.subscription(ana, offer, status="canceled")
    debts = [
        rows.invoice(bought, amount_due=1250), rows.invoice(bought, amount_due=250),
        rows.invoice(over, amount_due=700, currency="USD"),
    ]  # fmt: skip
    # Overdue by an invoice that nobody has tried to charge.
    bob = rows.reader(email="bob@a.example")
    untried = rows.subscription(bob, offer, status="past_due", open_amount=900)
    await store(
        offer, ana, bought, over, *debts, *map(rows.failed_charge, debts), bob, untried,
        rows.invoice(untried),
    )  # fmt: skip
    browser = await signed_in("viewer")
    text = words(await browser.get("/admin/readers?kind=owing"))
    assert "Payment overdue Digital, monthly, €9.00 a month €15.00, $7.00" in text
    assert "bob@a.example" not in text
    theirs = words(await browser.get(f"/admin/subscribers/{ana.id}"))
    assert "Overdue €15.00, $7.00" in theirs
    assert "Overdue" not in words(await browser.get(f"/admin/subscribers/{bob.id}"))


def words(answer: httpx2.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@on_sqlite
async def test_the_empty_list_says_what_to_do(signed_in: SignedIn) -> None:
    page = (await (await signed_in("viewer")).get("/admin")).text
    assert "Nobody has subscribed yet" in page
    assert "paywall offers list" in page


@on_sqlite
@pytest.mark.parametrize("query", ["status=happy", "cursor=nonsense", "query=%00"])
async def test_what_cant_be_looked_up_is_a_page_too(signed_in: SignedIn, query: str) -> None:
    answer = await (await signed_in("viewer")).get(f"/admin?{query}")
    assert answer.status_code == 422
    assert "The page is shown without it." in answer.text


@on_sqlite
async def test_a_number_out_of_bounds_is_told_with_its_bound(signed_in: SignedIn) -> None:
    browser = await signed_in("viewer")
    for asked, words in (
        ("networks=1", "Minimum networks per day: must be at least 2"),
        ("days=31", "Days: must be at most 30"),
    ):
        refused = await browser.get(f"/admin/sharing?{asked}")
        assert (refused.status_code, words in refused.text) == (422, True), asked


async def test_a_readers_page_tells_the_story(signed_in: SignedIn, store: Store) -> None:
    offer, reader = rows.offer(), rows.reader(email="ana@example.org")
    tern = rows.article("tern", "The arctic tern's count")
    day = timedelta(days=1)
    await store(
        offer, reader, tern,
        rows.subscription(reader, offer, cancel_at=NOW + 10 * day),
        rows.grant(reader, note="For the jury"),
        rows.read(tern, NOW - 21 * day, reader_id=reader.id, wall="subscribe"),
        rows.read(tern, NOW - 19 * day, reader_id=reader.id, reason="subscription"),
    )  # fmt: skip
    page = await (await signed_in("viewer")).get(f"/admin/subscribers/{reader.id}")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
    assert "Cancels at period end" in text
    assert "€9.00 a month" in text
    assert "Last wall before purchase The arctic tern's count" in text
    assert "For the jury" in text
    told = ["Read The arctic", "Subscribed to Digital, monthly", "Wall shown on The arctic"]
    places = [text.index(line) for line in told]
    assert places == sorted(places)
    # Lisbon is an hour ahead of UTC in summer only; in March both agree.
    assert f'<time datetime="{(NOW - 21 * day).isoformat()}">17 Feb 2026, 09:00</time>' in page.text


@on_sqlite
async def test_a_readers_page_tells_what_waits_and_what_stopped(
    signed_in: SignedIn, store: Store
) -> None:
    offer, reader, ferry = rows.offer(), rows.reader(), rows.article("ferry", "The ferry")
    single, day = rows.offer(name="One", covers="article", plan="", position=2), timedelta(days=1)
    paid = rows.checkout(reader, single, NOW - day, article_id=ferry.id)
    bank = rows.subscription(
        reader, offer, status="past_due", payment_problem="authentication",
        payment_url="https://invoice.stripe.com/i/1", pauses_collection=True,
    )  # fmt: skip
    double = rows.subscription(
        reader, offer, status="canceled", ended_at=NOW, cancel_reason="payment_disputed",
        access_stop="duplicate", access_stopped_at=NOW - day,
    )  # fmt: skip
    await store(
        offer, single, reader, ferry, bank, double, paid,
        rows.bought_pass(
            reader, single, paid, scope=f"article:{ferry.id}", access_stop="dispute",
            access_stopped_at=NOW,
        ),
        rows.grant(reader, source="pass", scope=f"article:{ferry.id}"),
        rows.told(reader, "payment.refunded", NOW, after={"amount_refunded": 5, "currency_refunded": "EUR"}),
        rows.told(reader, "subscription.dispute_closed", NOW, after={"dispute_status": "lost"}),
    )  # fmt: skip
    page = await (await signed_in("viewer")).get(f"/admin/subscribers/{reader.id}")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
    for told in (
        "Open invoice The reader must confirm the payment with their bank ( at Stripe )",
        "Collection Paused at Stripe: no charges, access continues",
        "Access stopped Duplicate purchase: the other subscription continues, since 9 Mar 2026, 09:00",
        "Cancellation reason Payment disputed",
        "Passes One Covers The ferry Paid €3.00, 9 Mar 2026, 09:00",
        "Access stopped Payment disputed: access is suspended until the bank decides, since 10 Mar",
        "Refunded : €0.05",
        "Dispute lost",
    ):
        assert told in text
    assert 'href="https://invoice.stripe.com/i/1"' in page.text
    assert "Complimentary access" not in text


@on_sqlite
async def test_every_reason_is_shown_in_words(signed_in: SignedIn, store: Store) -> None:
    reader, article = rows.reader(), rows.article("ferry", "The ferry")
    reads = [
        rows.read(
            article, NOW - timedelta(minutes=place), reader_id=reader.id, reason=row.name,
            wall=None if row.granted else "subscribe",
        )
        for place, row in enumerate(REASONS.values())
    ]  # fmt: skip
    await store(reader, article, *reads)
    page = await (await signed_in("viewer")).get(f"/admin/subscribers/{reader.id}")
    text = " ".join(re.sub(r"<[^>]+>", " ", unescape(page.text)).split())
    for row in REASONS.values():
        before = "Read The ferry , " if row.granted else "Wall shown on The ferry : "
        assert before + row.operators in text
    # The names that have an underscore can't be words of ours.
    assert not [name for name in REASONS if "_" in name and name in text]


@on_sqlite
async def test_times_are_those_of_the_publication(signed_in: SignedIn, store: Store) -> None:
    summer = NOW.replace(month=7, day=1, year=2025, hour=23, minute=30)
    reader = rows.reader(created_at=summer)
    await store(reader)
    page = await (await signed_in("viewer")).get(f"/admin/subscribers/{reader.id}")
    assert "2 Jul 2025, 00:30" in page.text


@on_sqlite
async def test_hostile_text_stays_text(signed_in: SignedIn, store: Store) -> None:
    offer = rows.offer(name="<script>alert(2)</script>", plan="<b>plan")
    reader = rows.reader(email=HOSTILE)
    article = rows.article("x", "<script>alert(3)</script>")
    added: list[Base] = [
        offer,
        reader,
        article,
        rows.subscription(reader, offer),
        rows.grant(reader, note="<script>alert(4)</script>"),
        rows.read(article, NOW, reader_id=reader.id, wall="subscribe", reason="<i>"),
    ]
    await store(*added)
    browser = await signed_in("viewer")
    for address in (f"/admin/subscribers/{reader.id}", "/admin", f"/admin?query={'%3Cscript%3E'}"):
        page = (await browser.get(address)).text
        for tag in ("<script", "<img", "<b>", "<i>"):
            assert tag not in page


@on_sqlite
async def test_an_unknown_reader_is_a_page_that_says_what_to_do(signed_in: SignedIn) -> None:
    answer = await (await signed_in("viewer")).get("/admin/subscribers/rdr_unknown")
    assert answer.status_code == 404
    assert "Check the id" in answer.text


@on_sqlite
async def test_the_stylesheet_is_public_and_kept(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/admin/sign-in")).text
    address = re.search(r'rel="stylesheet" href="([^"]+)"', page)
    assert address is not None
    answer = await browser.get(address[1])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"].startswith("public")
    held = {"If-None-Match": answer.headers["etag"]}
    assert (await browser.get(address[1], headers=held)).status_code == 304


@on_sqlite
async def test_pages_hold_no_inline_style_or_script(signed_in: SignedIn, store: Store) -> None:
    offer, reader = rows.offer(), rows.reader()
    await store(offer, reader, rows.subscription(reader, offer))
    browser = await signed_in("viewer")
    for address in ("/admin", f"/admin/subscribers/{reader.id}"):
        page = (await browser.get(address)).text
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", page)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-03-10T09:05:00+00:00", "10 Mar 2026, 10:05"),
        ("2026-03-10T09:05:00Z, said Ana", "2026-03-10T09:05:00Z, said Ana"),
        ("2026-13-41T09:05:00Z", "2026-13-41T09:05:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_only_looks_like_an_instant_is_shown_as_it_is(value: str, shown: str) -> None:
    assert fact_text(value, ZoneInfo("Europe/Berlin")) == shown
