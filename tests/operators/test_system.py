"""The pages of what runs by itself: the inbox, the jobs, the comparisons with Stripe."""

import ast
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

import service
from service.billing.brought_in import MOST_PRICES
from service.billing.import_job import IMPORT_TASK, KIND
from service.billing.inbox import INBOX_TASK, store_event
from service.billing.reconcile_job import ASKED, RECONCILE_TASK
from service.db.session import Database
from service.db.tables import AuditEntry, Customer, Job, Reconciliation
from service.jobs.queue import enqueue
from service.jobs.runner import Wakes
from service.operators.system.job_words import JOB_WORDS
from service.payments.reach import Payments
from service.running import RunningApp
from tests.billing.stripe_values import event
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in
from tests.reports import rows
from tests.running import exchange
from tests.stripe_at_hand import gateway_to

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
Store = Callable[..., Awaitable[None]]
HOSTILE = "ValueError('<script>alert(1)</script>')"


@pytest.fixture(autouse=True)
async def payments(app: RunningApp) -> AsyncIterator[None]:
    """What a whole application has for these pages."""

    gateway = gateway_to("http://127.0.0.1:1")
    exchange(app, Payments(gateway))
    yield
    await gateway.close()


async def tell(database: Database, clocks: MovingClocks, *ids: str, **fields: Any) -> None:
    async with database.transaction() as session:
        for id_ in ids:
            await store_event(session, event(id_, **fields), clocks.wall())


async def set_jobs(database: Database, *keys: str, **values: Any) -> None:
    async with database.transaction() as session:
        await session.execute(update(Job).where(Job.key.in_(keys)).values(**values))


async def jobs(database: Database) -> dict[str, Job]:
    async with database.reading() as session:
        return {job.key: job for job in await session.scalars(select(Job))}


async def audit(database: Database) -> list[AuditEntry]:
    async with database.reading() as session:
        found = await session.scalars(
            select(AuditEntry)
            .where(AuditEntry.action.like("%re%"), AuditEntry.action.not_like("operator%"))
            .order_by(AuditEntry.id)
        )
        return list(found)


async def send(browser: httpx2.AsyncClient, page: str, address: str, **form: str) -> int:
    """Send a form of the page as its button would."""
    csrf = csrf_in((await browser.get(page)).text)
    return (await browser.post(address, data={"csrf": csrf, **form})).status_code


@on_sqlite
async def test_the_inbox_tells_what_became_of_each_event(
    database: Database, clocks: MovingClocks, signed_in: SignedIn, store: Store
) -> None:
    reader = rows.reader(email="ana@example.org")
    await store(reader, Customer(id="cus_1", reader_id=reader.id, bound_at=clocks.wall()))
    await tell(database, clocks, "evt_waits", "evt_bad", "evt_done")
    await tell(database, clocks, "evt_mug", kind="charge.captured", customer_id=None)
    await set_jobs(database, "evt_bad", status="failed", attempts=5, result=HOSTILE)
    await set_jobs(database, "evt_done", status="done", result="synced")
    viewer = await signed_in("billing")
    page = (await viewer.get("/admin/inbox")).text
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    for told in (
        "evt_waits", "Pending", "Failed, 5 failed attempts", "Processed", "synced",
        "Ignored", HOSTILE, "ana@example.org",
    ):  # fmt: skip
        assert told in text
    assert "<script" not in page
    assert f'href="/admin/subscribers/{reader.id}"' in page
    assert "Retry" not in page
    held = (await viewer.get("/admin/inbox?held=1")).text
    assert [each in held for each in ("evt_waits", "evt_bad", "evt_done", "evt_mug")] == [
        True, True, False, False,
    ]  # fmt: skip
    # Who may look may not act, whatever form is sent.
    assert await send(viewer, "/admin/inbox", "/admin/inbox/evt_bad/replay") == 403
    assert (await jobs(database))["evt_bad"].status == "failed"
    assert (await (await signed_in("viewer")).get("/admin/inbox")).status_code == 403


async def test_events_are_replayed_one_by_one_or_all_in_quarantine(
    app: RunningApp, database: Database, clocks: MovingClocks, signed_in: SignedIn
) -> None:
    await tell(database, clocks, "evt_1", "evt_2", "evt_3")
    await set_jobs(database, "evt_1", "evt_2", "evt_3", status="failed", attempts=5, result="odd")
    admin = await signed_in("admin")
    assert "Retry all failed events (3)" in (await admin.get("/admin/inbox")).text
    assert (await admin.post("/admin/inbox/evt_1/replay", data={"csrf": "x"})).status_code == 403
    assert (await jobs(database))["evt_1"].status == "failed"
    assert await send(admin, "/admin/inbox", "/admin/inbox/evt_1/replay") == 303
    assert app.running.get(Wakes).event(INBOX_TASK).is_set()
    assert {key: (job.status, job.attempts) for key, job in (await jobs(database)).items()} == {
        "evt_1": ("waiting", 0), "evt_2": ("failed", 5), "evt_3": ("failed", 5),
    }  # fmt: skip
    assert await send(admin, "/admin/inbox", "/admin/inbox/replay") == 303
    assert {job.status for job in (await jobs(database)).values()} == {"waiting"}
    assert "Failed" not in (await admin.get("/admin/inbox")).text
    assert await send(admin, "/admin/inbox", "/admin/inbox/evt_none/replay") == 404
    one, all_ = await audit(database)
    assert (one.action, one.target, one.before) == (
        "inbox.replay", "evt_1", {"state": "quarantined", "result": "odd"},
    )  # fmt: skip
    assert (all_.action, all_.after) == ("inbox.replay-all", {"events": 2})


async def test_the_inbox_pages_through_everything_once(
    database: Database, clocks: MovingClocks, signed_in: SignedIn
) -> None:
    for _ in range(12):
        await tell(database, clocks, *(f"evt_{clocks.time:%H%M%S}x{n}" for n in range(10)))
        clocks.travel(timedelta(seconds=1))
    browser = await signed_in("billing")
    for start in ("/admin/inbox", "/admin/inbox?held=1", "/admin/jobs?kind=stripe-event"):
        address: str | None = start
        seen: list[str] = []
        while address is not None:
            page = unescape((await browser.get(address)).text)
            seen += re.findall(r'class="(?:pair|name)">(evt_\w+)<', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = following[1] if following else None
        assert len(seen) == len(set(seen)) == 120, start


def test_every_kind_of_job_has_words() -> None:
    """Kinds are the keys of tables of `Kind(…)`: names of constants in their modules."""
    kinds = set()
    for path in Path(service.__path__[0]).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "jobs.worker import" not in text:
            continue
        module = import_module(
            ".".join(path.with_suffix("").relative_to(Path(service.__path__[0]).parent).parts)
        )
        kinds |= {
            getattr(module, key.id)
            for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Name) and isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name) and value.func.id == "Kind"
        }  # fmt: skip
    assert kinds == set(JOB_WORDS)


async def test_jobs_are_counted_filtered_and_replayed(
    database: Database, clocks: MovingClocks, signed_in: SignedIn
) -> None:
    async with database.transaction() as session:
        for kind, key in (("mail", "a"), ("mail", "b"), ("rake", "c"), ("rake", "d")):
            await enqueue(session, kind=kind, key=key, now=clocks.wall())
    await set_jobs(database, "b", status="failed", result="refused", attempts=1)
    await set_jobs(database, "d", status="done", result="raked", finished_at=clocks.wall())
    admin = await signed_in("admin")
    page = unescape((await admin.get("/admin/jobs")).text)
    for kind, waiting, failed in (("mail", 1, 1), ("rake", 1, 0)):
        row = page.split(f'kind={kind}">')[1].split("</tr>")[0]
        assert re.findall(r">(\d+)</td>", row) == [str(waiting), str(failed)]
    # A kind that an older release left has no words.
    assert ">Send a mail</a>" in page
    assert ">rake</a>" in page
    failed_only = (await admin.get("/admin/jobs?status=failed&kind=mail")).text
    assert '<option value="mail" selected>Send a mail</option>' in failed_only
    assert re.findall(r'class="name">(\w)<', failed_only) == ["b"]
    assert "refused" in failed_only
    given_up = (await jobs(database))["b"]
    assert await send(admin, "/admin/jobs", f"/admin/jobs/{given_up.id}/replay") == 303
    again = (await jobs(database))["b"]
    assert (again.status, again.attempts) == ("waiting", 0)
    assert await send(admin, "/admin/jobs", "/admin/jobs/job_none/replay") == 404
    (told,) = await audit(database)
    assert (told.action, told.target, told.before) == (
        "job.replay", given_up.id, {"status": "failed", "result": "refused"},
    )  # fmt: skip


@on_sqlite
async def test_comparisons_are_shown_and_asked_for(
    app: RunningApp, database: Database, clocks: MovingClocks, signed_in: SignedIn, store: Store
) -> None:
    difference = {
        "object": "sub_1", "what": "status", "here": "active", "stripe": "<b>canceled</b>",
        "reason": "Stripe sent no webhook.", "mended": "yes",
    }  # fmt: skip
    values: dict[str, Any] = {
        "started_by": "nightly", "events_since": clocks.wall(), "events_missed": 2, "compared": 7,
        "booked": 40, "not_ours": 3, "found": 1, "remaining": 0, "fixed": True,
    }  # fmt: skip
    began = clocks.wall()
    await store(
        Reconciliation(
            id="rec_1", started_at=began, finished_at=began, differences=[difference], **values
        ),
        Reconciliation(
            id="rec_2", started_at=began + timedelta(hours=1), finished_at=None, differences=[],
            **values,
        ),
    )  # fmt: skip
    viewer = await signed_in("billing")
    page = (await viewer.get("/admin/reconciliations")).text
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert text.index("Still running, or interrupted") < text.index(
        "7 objects compared, 1 difference found, 0 remaining"
    )
    assert "sub_1 status active <b>canceled</b> Stripe sent no webhook. yes" in text
    assert "Compare and fix now" not in text
    assert await send(viewer, "/admin", "/admin/reconciliations", fix="1") == 403
    admin = await signed_in("admin")
    for form in ({"fix": "1"}, {}):
        assert await send(admin, "/admin/reconciliations", "/admin/reconciliations", **form) == 303
    assert app.running.get(Wakes).event(RECONCILE_TASK).is_set()
    asked = [job for job in (await jobs(database)).values() if job.kind == ASKED]
    assert sorted(job.payload["fix"] for job in asked) == [False, True]
    assert {job.payload["started_by"] for job in asked} == {
        entry.actor for entry in await audit(database)
    }
    assert {entry.target for entry in await audit(database)} == {job.key for job in asked}


FOUND: dict[str, Any] = {
    "read": 1200, "customers": 1000, "subscriptions": 1100, "known": 40, "movements": 1300,
    "statuses": {"active": 1098, "trialing": 1, "odd": 1}, "mrr": {"EUR": 990_000},
    "prices": [{"price": "price_mug", "words": "€7.00 a month", "subscriptions": 3}],
    "notes": [{"words": "No address to sign in with", "count": 2, "examples": [{"about": "sub_<1>", "words": ""}]}],
}  # fmt: skip


async def import_jobs(database: Database) -> list[Job]:
    found = [each for each in (await jobs(database)).values() if each.kind == KIND]
    return sorted(found, key=lambda each: each.created_at)


@on_sqlite
async def test_an_import_from_stripe_is_tried_looked_at_and_begun(
    signed_in: SignedIn, app: RunningApp, database: Database, clocks: MovingClocks
) -> None:
    page = "/admin/stripe-import"
    offer = rows.offer()
    async with database.transaction() as session:
        session.add(offer)
    viewer = await signed_in("billing")
    assert "No imports yet" in (await viewer.get(page)).text
    assert await send(viewer, "/admin", f"{page}/try") == 403
    admin = await signed_in("admin")
    assert await send(admin, page, f"{page}/try", price="price_mug", offer=offer.id) == 303
    assert app.running.get(Wakes).event(IMPORT_TASK).is_set()
    assert "An import is running" in (await admin.get(page)).text
    csrf = csrf_in((await admin.get("/admin/account")).text)
    late = await admin.post(f"{page}/try", data={"csrf": csrf, "price": "p", "offer": offer.id})
    assert late.status_code == 422
    assert "Nothing was started: another run is in progress" in late.text
    (job,) = await import_jobs(database)
    assert job.payload["prices"] == {"price_mug": offer.id}
    assert await send(admin, "/admin/account", page, run=job.key) == 422, "it isn't done"
    await set_jobs(
        database,
        job.key,
        status="done",
        finished_at=clocks.wall(),
        payload={**job.payload, "found": FOUND},
    )
    shown = (await admin.get(page)).text
    for told in (
        "1,100 of 1,000 customers",
        "€9,900.00",
        "price_mug",
        "sub_&lt;1&gt;",
        "Nothing was changed",
        "<dt>In trial</dt>",
        "<dt>odd</dt>",
    ):
        assert told in shown, told
    clocks.travel(timedelta(seconds=1))
    assert await send(admin, page, page, run="imp_other") == 422
    assert await send(admin, page, page, run=job.key) == 303
    (_, begun) = await import_jobs(database)
    assert (begun.payload["dry_run"], begun.payload["prices"]) == (False, job.payload["prices"])


@on_sqlite
async def test_without_a_key_nothing_is_imported(
    signed_in: SignedIn, app: RunningApp, database: Database
) -> None:
    exchange(app, Payments(None))
    admin = await signed_in("admin")
    assert "Selling is off" in (await admin.get("/admin/stripe-import")).text
    assert await send(admin, "/admin/account", "/admin/stripe-import/try") == 200
    assert await import_jobs(database) == []


FORM = re.compile(
    r'name="price" value="([^"]+)".*?<select[^>]* name="offer">(.*?)</select>', re.DOTALL
)


async def choices(admin: httpx2.AsyncClient) -> dict[str, str]:
    """The prices in the page's form, with the offer that is chosen for each."""
    text = (await admin.get("/admin/stripe-import")).text
    return {
        price: (re.findall(r'value="([^"]*)" selected', options) or [""])[0]
        for price, options in FORM.findall(text)
    }


async def send_choices(admin: httpx2.AsyncClient, chosen: dict[str, str]) -> int:
    csrf = csrf_in((await admin.get("/admin/account")).text)
    form = {"csrf": csrf, "price": [*chosen], "offer": [*chosen.values()]}
    return (await admin.post("/admin/stripe-import/try", data=form)).status_code


@on_sqlite
async def test_a_choice_for_the_import_is_shown_and_can_be_taken_back(
    signed_in: SignedIn, database: Database, clocks: MovingClocks, store: Store
) -> None:
    offer, bought = rows.offer(), rows.offer()
    bought.stripe_price_id = "price_ours"
    await store(offer, bought)
    admin = await signed_in("admin")
    page = "/admin/stripe-import"
    first = {"price_mug": offer.id, "price_tiers": offer.id, "price_ours": offer.id}
    assert await send_choices(admin, first) == 303
    (job,) = await import_jobs(database)
    await set_jobs(database, job.key, status="failed", result="price: price_tiers has none")
    assert await choices(admin) == {"price_mug": offer.id, "price_tiers": offer.id}
    clocks.travel(timedelta(seconds=1))
    assert await send_choices(admin, {"price_tiers": "", "price_mug": offer.id}) == 303
    (_, job) = await import_jobs(database)
    assert job.payload["prices"] == {"price_mug": offer.id}
    tiers = {
        "price": "price_tiers",
        "words": "no fixed amount",
        "subscriptions": 9,
        "fault": "price: none",
    }
    found = {**FOUND, "prices": [tiers]}
    await set_jobs(
        database, job.key, status="done", finished_at=clocks.wall(),
        payload={**job.payload, "found": found},
    )  # fmt: skip
    assert await choices(admin) == {"price_mug": offer.id}, (
        "none for a price that no offer can have"
    )
    shown = (await admin.get(page)).text
    assert "price_mug</code> would be imported as" in shown
    assert "This price can’t be imported: price: none" in shown


@on_sqlite
async def test_every_choice_that_the_page_shows_can_be_sent(
    signed_in: SignedIn, database: Database, store: Store
) -> None:
    offer = rows.offer()
    await store(offer)
    admin = await signed_in("admin")
    assert await send_choices(admin, {f"price_{n}": offer.id for n in range(30)}) == 303
    (job,) = await import_jobs(database)
    prices = [{**FOUND["prices"][0], "price": f"price_new_{n}"} for n in range(MOST_PRICES)]
    found = {**FOUND, "prices": prices}
    await set_jobs(database, job.key, status="failed", payload={**job.payload, "found": found})
    shown = await choices(admin)
    assert len(shown) == MOST_PRICES
    assert [*shown.values()].count(offer.id) == 30
    assert await send_choices(admin, dict.fromkeys(shown, offer.id)) == 303
