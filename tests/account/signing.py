"""Signing in by mail over HTTP, as frontends do it."""

from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import select

from tests.inside import Paywall
from tests.mailbox import newest_mail

ANA = "ana@example.org"


async def ask(
    paywall: Paywall, email: str = ANA, client: httpx2.AsyncClient | None = None, **fields: Any
) -> httpx2.Response:
    paywall.clocks.travel(timedelta(milliseconds=1))  # so that one mail is the newest
    return await (client or paywall.client).post("/v1/sign-in", json={"email": email, **fields})


async def confirm(
    paywall: Paywall, client: httpx2.AsyncClient | None = None, **fields: Any
) -> httpx2.Response:
    return await (client or paywall.client).post("/v1/sign-in/confirm", json=fields)


async def by_code(
    paywall: Paywall, email: str = ANA, client: httpx2.AsyncClient | None = None, **fields: Any
) -> dict[str, Any]:
    """Signed in by a code; the answer."""
    asked = await ask(paywall, email, client)
    assert asked.status_code == 202, asked.text
    mail = await newest_mail(paywall.database, email)
    answer = await confirm(
        paywall, client, request_id=asked.json()["request_id"], code=mail.code, **fields
    )
    assert answer.status_code == 200, answer.text
    signed_in: dict[str, Any] = answer.json()
    return signed_in


async def rows(paywall: Paywall, table: type[Any]) -> list[Any]:
    async with paywall.database.reading() as session:
        return list(await session.scalars(select(table)))


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["type"]) == (403, "/problems/sign-in-refused")
