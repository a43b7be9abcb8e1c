"""Operators read every article on the newspaper's own host, and leave no trace where readers are counted."""

from datetime import timedelta
from itertools import product
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from service.db.tables import Operator
from service.identity.cookies import cookie_name
from service.identity.operators import (
    create_operator,
    end_operator_session,
    open_operator_session,
)
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall, inside
from tests.passwords import QUICK
from tests.statements import statements

pytestmark = on_sqlite
SLUGS: dict[str, dict[str, Any]] = {
    "premium": {"access": {"level": "subscribers"}},
    "metered": {"access": {"level": "metered"}},
    "registered": {"access": {"level": "registered"}},
    "draft": {"status": "draft"},
    "free-draft": {"status": "draft", "access": {"level": "free"}},
    "soon": {"status": "scheduled"},
    "gone": {"status": "withdrawn"},
}
WWW = "https://www.gazette.example"
HIDDEN = {"draft", "free-draft", "soon", "gone"}


@pytest.fixture
async def secret(paywall: Paywall) -> str:
    """Of an operator's session, which is in the client's browser. Every article is in memory."""
    soon = (paywall.clocks.business() + timedelta(days=1)).isoformat()
    for slug, fields in SLUGS.items():
        await paywall.publish(slug, **fields, **({"published_at": soon} if slug == "soon" else {}))
        await paywall.client.get(f"/v1/articles/{slug}")
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email="ed@example.org", password="correct horse battery", role="viewer",
            now=paywall.clocks.wall(), passwords=QUICK,
        )  # fmt: skip
        made = await open_operator_session(
            session, operator, now=paywall.clocks.wall(), settings=paywall.settings
        )
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), made, domain="127.0.0.1")
    return made


def is_private(answer: httpx2.Response) -> bool:
    return answer.headers["Cache-Control"] == "private, no-store" and "ETag" not in answer.headers


async def test_the_newspapers_page_is_open(paywall: Paywall, secret: str) -> None:
    for slug in SLUGS:
        for _ in range(2):
            page = await paywall.client.get(f"/articles/{slug}")
            assert (page.status_code, CANARY in page.text) == (200, True), slug
            assert is_private(page), slug
            assert "as a member of the staff" in page.text, slug
            assert ("Readers can’t see it now" in page.text) is (slug in HIDDEN), slug
        sent = await paywall.client.post(f"/articles/{slug}")
        assert (sent.status_code, CANARY in sent.text) == (200, True), slug
        async with paywall.new_client() as reader:
            assert CANARY not in (await reader.get(f"/articles/{slug}")).text, slug
    assert [row.reason for row in await paywall.ledger() if row.granted] == []


async def test_so_is_the_api_on_its_host(paywall: Paywall, secret: str) -> None:
    own = {"Origin": paywall.settings.public_url}
    for slug, headers in product(SLUGS, ({}, own)):
        look = await paywall.client.get(f"/v1/articles/{slug}/access", headers=headers)
        assert (look.json()["reason"], look.json()["would_consume"]) == ("staff", False), slug
        for _ in range(2):
            opened = await paywall.unlock(slug, **headers)
            said = opened.json()
            assert (said["reason"], said["consumed"], "token" in said) == ("staff", False, False)
            assert CANARY in opened.text, slug
            assert is_private(opened), slug
    assert await paywall.ledger() == []


async def test_what_is_free_is_free(paywall: Paywall, secret: str) -> None:
    await paywall.publish("open", access={"level": "free"})
    assert (await paywall.unlock("open")).json()["reason"] == "free"


async def test_a_signed_in_readers_meter_stays_as_it_was(paywall: Paywall, secret: str) -> None:
    await paywall.sign_in()
    for slug in "abcde":
        assert (await paywall.unlock(slug)).json()["reason"] == "staff"
    paywall.client.cookies.delete(cookie_name("operator", paywall.settings))
    assert (await paywall.unlock("a")).json()["meter"]["used"] == 1


@pytest.mark.parametrize("slug", ["premium", "draft"])
async def test_no_other_host_and_no_token_reads_as_the_staff(
    paywall: Paywall, secret: str, slug: str
) -> None:
    expected = 404 if slug in HIDDEN else 402
    listed = paywall.settings.model_copy(update={"allowed_origins": (WWW,)})
    async with inside(paywall.database, listed, paywall.clocks) as sister:
        sister.client.cookies = paywall.client.cookies
        for _ in range(2):
            assert (await sister.unlock(slug)).json()["reason"] == "staff"
            assert (await sister.unlock(slug, Origin=WWW)).status_code == expected
        look = await sister.client.get(f"/v1/articles/{slug}/access", headers={"Origin": WWW})
        assert look.json().get("granted", False) is False
    await paywall.sign_in()
    token = await paywall.access_token()
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await paywall.unlock(slug, **bearer)).status_code == expected
    assert (await paywall.full(slug, token)).status_code in {403, 404}
    assert CANARY not in (await paywall.client.get(f"/v1/articles/{slug}")).text


@pytest.mark.parametrize("ended", ["signed out", "disabled", "expired", "of no role"])
async def test_a_session_that_is_over_opens_nothing(
    paywall: Paywall, secret: str, ended: str
) -> None:
    assert (await paywall.unlock("draft")).status_code == 200
    async with paywall.database.transaction() as session:
        if ended == "signed out":
            await end_operator_session(session, secret)
        if ended == "disabled":
            await session.execute(update(Operator).values(disabled_at=paywall.clocks.wall()))
        if ended == "of no role":
            await session.execute(update(Operator).values(role="later"))
    if ended == "expired":
        paywall.clocks.travel(timedelta(hours=paywall.settings.operator_session_hours))
    assert (await paywall.unlock("draft")).status_code == 404
    assert (await paywall.unlock("premium")).status_code == 402


async def test_readers_are_asked_for_no_operator(paywall: Paywall, secret: str) -> None:
    async with paywall.new_client() as reader:
        with statements() as seen:
            for slug in ("premium", "metered"):
                await reader.post(f"/v1/articles/{slug}/unlock")
                await reader.get(f"/articles/{slug}")
    assert not [each for each in seen if "operator" in each]
