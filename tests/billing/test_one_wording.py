"""The account page, the wall, the API and the mails say the same of a subscription."""

import re
from html import unescape
from typing import Any

import httpx2
from sqlalchemy import select

from service.content.publish import prepare, store_prepared
from service.content.schemas import ArticleIn
from service.db.tables import Article, Mail
from service.identity.cookies import cookie_name
from service.identity.sessions import open_session
from service.rules.in_force import InForce
from tests.billing.desk import Desk, service_at
from tests.databases import on_sqlite

pytestmark = on_sqlite


async def publish(desk: Desk) -> None:
    fields = {
        "title": "The ferry", "body": "<p>Open.</p><!--more--><p>Closed.</p><p>More of it.</p>",
        "published_at": desk.clocks.business(), "access": {"level": "subscribers"},
    }  # fmt: skip
    async with desk.database.transaction() as session:
        await store_prepared(
            session,
            prepare("ferry", ArticleIn.model_validate(fields), InForce.by_default(desk.settings)),
            if_match=None,
            actor="test",
            now=desk.clocks.business(),
        )


async def mails(desk: Desk, kind: str) -> list[str]:
    """The texts of the mails of this kind, in one line each."""
    async with desk.database.reading() as session:
        found = await session.scalars(select(Mail.text).where(Mail.kind == kind))
        return [" ".join((text or "").split()) for text in found]


async def page(client: httpx2.AsyncClient, address: str) -> str:
    answer = await client.get(address)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def test_page_wall_api_and_mail_say_the_same(desk: Desk) -> None:
    desk.settings = desk.settings.model_copy(update={"mail_from": "Gazette <hello@example.org>"})
    reader, customer = await desk.reader()
    await publish(desk)
    async with desk.database.transaction() as session:
        opened = await open_session(
            session, reader_id=reader, now=desk.clocks.wall(), settings=desk.settings
        )

    async def agree(kind: str, member: str, *, is_walled: bool) -> Any:
        """What `/me` has in this member, once everything else has its words too."""
        await desk.hear()
        shown = (await client.get("/v1/me")).json()[member]
        told = f"{shown['words']['next']} {shown['words']['advice']}".strip()
        assert told in await page(client, "/account")
        assert told in (await mails(desk, kind))[-1]
        answer = (await client.post("/v1/articles/ferry/unlock", json={"token": False})).json()
        assert (not answer["granted"]) is is_walled
        if is_walled:
            assert told in answer["wall"]["note"]
            assert told in await page(client, "/articles/ferry")
        return shown

    async with service_at(desk) as client:
        client.cookies.set(cookie_name("session", desk.settings), opened.token)
        owing = desk.subscribe(customer, "pm_card_chargeCustomerFail", trial_period_days=7)
        assert (await agree("welcome", "subscription", is_walled=False))["status"] == "trialing"
        desk.travel(days=7, hours=2)
        failed = await agree("payment-failed", "subscription", is_walled=False)
        assert "Your payment of €9.00 failed." in failed["words"]["next"]
        desk.stripe.subscriptions.update(owing, {"cancel_at_period_end": True})
        cancelled = await agree("cancelled", "subscription", is_walled=False)
        assert "is cancelled and ends on" in cancelled["words"]["next"]
        desk.stripe.subscriptions.update(owing, {"cancel_at_period_end": False})
        desk.travel(days=20)
        over = await agree("ended", "ended_subscription", is_walled=True)
        assert over["reason"] == "payment_failed"
        assert "because a payment failed. You can subscribe" in " ".join(
            (over["words"]["next"], over["words"]["advice"])
        )
        assert (await client.get("/v1/me")).json()["subscription"] is None


async def test_a_reader_whose_subscription_covers_another_plan_reads_no_lapse(desk: Desk) -> None:
    """Only what has ended, or is closed, is told at the wall."""
    reader, customer = await desk.reader()
    await publish(desk)
    async with desk.database.transaction() as session:
        opened = await open_session(
            session, reader_id=reader, now=desk.clocks.wall(), settings=desk.settings
        )
        article = await session.scalar(select(Article).where(Article.slug == "ferry"))
        assert article is not None
        article.plans = ["gold"]
    desk.subscribe(customer)
    await desk.hear()
    async with service_at(desk) as client:
        client.cookies.set(cookie_name("session", desk.settings), opened.token)
        wall = (await client.post("/v1/articles/ferry/unlock", json={"token": False})).json()[
            "wall"
        ]
        assert "Digital" not in wall["note"]
