"""The whole article for the holder of a token, and for nobody else."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from service.rules.in_force import InForce, RuleBook
from service.tokens.claims import Entitlement, access_claims, unlock_claims
from service.tokens.key_pairs import generate
from service.tokens.keys import KeyRingHolder
from service.tokens.signing import sign
from tests.databases import on_sqlite
from tests.inside import CANARY, Paywall

pytestmark = on_sqlite


async def opened(paywall: Paywall, slug: str = "a") -> str:
    token: str = (await paywall.unlock(slug)).json()["token"]
    return token


def type_of(answer: httpx2.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def test_the_unlock_token_opens_its_article_and_no_other(paywall: Paywall) -> None:
    token = await opened(paywall)
    answer = await paywall.full("a", token)
    assert answer.status_code == 200
    assert CANARY in answer.json()["article"]["body_html"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert not {"etag", "last-modified", "set-cookie"} & set(answer.headers)
    for slug in ("b", "there-is-none", "%2e%2e"):
        assert type_of(await paywall.full(slug, token)) == (403, "article-not-covered")
    assert (await paywall.client.get("/v1/articles/b/access")).json()["meter"]["used"] == 1


async def test_it_goes_on_at_the_wall_and_ends_with_its_life(paywall: Paywall) -> None:
    token = await opened(paywall)
    for slug in "bcd":
        await paywall.unlock(slug)
    assert (await paywall.full("a", token)).status_code == 200
    paywall.clocks.travel(timedelta(minutes=10, seconds=61))
    assert type_of(await paywall.full("a", token)) == (401, "invalid-token")


async def test_a_withdrawn_article_is_gone_for_tokens_too(paywall: Paywall) -> None:
    token = await opened(paywall)
    await paywall.client.delete("/v1/admin/articles/a", headers=paywall.staff)
    assert type_of(await paywall.full("a", token)) == (404, "article-not-found")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer", "Bearer a b", "Bearer  a.b.c"],
)
async def test_without_a_token(paywall: Paywall, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = await paywall.client.get("/v1/articles/a/full", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_tokens_that_are_not_ours(paywall: Paywall) -> None:
    good = await opened(paywall)
    head, body, signature = good.split(".")
    now, ring = paywall.clocks.wall(), paywall.app.running.get(KeyRingHolder).current

    def made(key: Any = None, **change: Any) -> str:
        members = {
            "issuer": paywall.settings.public_url, "audience": "gazette", "holder_id": "dev_1",
            "article": "a", "reason": "meter", "session_id": None, "token_id": "t", "now": now,
            "life": timedelta(minutes=10), **change,
        }  # fmt: skip
        return sign(unlock_claims(**members), key or ring.active)

    assert (await paywall.full("a", made())).status_code == 200
    bad = {
        "foreign key": made(generate("ES256")),
        "foreign issuer": made(issuer="https://elsewhere.example"),
        "foreign audience": made(audience="another"),
        "expired": made(now=now - timedelta(minutes=11, seconds=1)),
        "from the future": made(now=now + timedelta(minutes=2)),
        "signature of another": f"{head}.{made().split('.')[1]}.{signature}",
        "truncated": good[:-4],
        "two parts": f"{head}.{body}",
        "oversized": f"{head}.{body * 40}.{signature}",
        "10 kB": "a" * 10_000,
        "dots": "..",
        "null": "\\0",
        "an API key": paywall.staff["Authorization"].removeprefix("Bearer "),
    }
    for name, token in bad.items():
        answer = await paywall.full("a", token)
        assert type_of(answer) == (401, "invalid-token"), name
        assert CANARY not in answer.text
    beyond = await paywall.client.get(
        "/v1/articles/a/full", headers=[(b"Authorization", b"Bearer \xe9\xff")]
    )
    assert type_of(beyond) == (401, "invalid-token")


async def test_an_access_token_opens_what_its_grants_cover(paywall: Paywall) -> None:
    await paywall.publish("gift", access={"level": "free"})
    await paywall.publish("archive", access={"level": "subscribers", "plans": ["archive"]})
    await paywall.publish("digital", access={"level": "subscribers", "plans": ["digital"]})
    ring, now = paywall.app.running.get(KeyRingHolder).current, paywall.clocks.wall()
    second = int(paywall.clocks.business().timestamp())

    async def statuses(*held: Entitlement) -> list[int]:
        claims = access_claims(
            issuer=paywall.settings.public_url, audience="gazette", reader_id="rdr_1",
            session_id="ses_1", client_id="browser", scope="articles:read", entitlements=held,
            token_id="t", now=now, life=timedelta(minutes=10),
        )  # fmt: skip
        token = sign(claims, ring.active)
        slugs = ("gift", "a", "digital", "archive")
        return [(await paywall.full(slug, token)).status_code for slug in slugs]

    digital = Entitlement("digital", "plan:digital", second + 1, grace=False)
    assert await statuses() == [200, 403, 403, 403]
    assert await statuses(digital) == [200, 200, 200, 403]
    assert await statuses(Entitlement(None, "everything", None, grace=True)) == [200] * 4
    ended = Entitlement("digital", "plan:digital", second, grace=False)
    assert await statuses(ended) == [200, 403, 403, 403]
    assert await statuses(ended, digital) == [200, 200, 200, 403]
    assert await statuses(Entitlement("x", "unheard-of:x", None, grace=False)) == [
        200, 403, 403, 403,
    ]  # fmt: skip


async def test_the_ledger_tells_what_a_token_was_given_for(paywall: Paywall) -> None:
    ring, now = paywall.app.running.get(KeyRingHolder).current, paywall.clocks.wall()
    for number, (source, told) in enumerate(
        (("pass", "pass"), ("comp", "comp"), ("subscription", "subscription"), ("", "subscription"))
    ):
        slug = f"read-{number}"
        await paywall.publish(slug, access={"level": "subscribers"})
        held = Entitlement("digital", "plan:digital", None, grace=False, source=source)
        claims = access_claims(
            issuer=paywall.settings.public_url, audience="gazette", reader_id="rdr_1",
            session_id="ses_1", client_id="browser", scope="articles:read", entitlements=(held,),
            token_id="t", now=now, life=timedelta(minutes=10),
        )  # fmt: skip
        assert (await paywall.full(slug, sign(claims, ring.active))).status_code == 200
        entry = max(await paywall.ledger(), key=lambda entry: entry.id)
        assert entry.reason == told


async def test_an_access_token_opens_metered_articles_where_there_is_no_meter(
    paywall: Paywall,
) -> None:
    unmetered = paywall.settings.model_copy(update={"meter_limit": None})
    paywall.app.running.get(RuleBook).in_force = InForce.by_default(unmetered)
    await paywall.sign_in()
    assert (await paywall.full("a", await paywall.access_token())).status_code == 200


async def test_reads_by_token_are_recorded_once_a_day(paywall: Paywall) -> None:
    reader_id = await paywall.sign_in("plan:digital")
    for _ in range(2):
        token = await paywall.access_token()
        for _ in range(3):
            await paywall.full("a", token)
        await paywall.full("b", token)
        await paywall.ledger()
    rows = await paywall.ledger()
    assert [(row.reader_id, row.granted, row.consumed, row.reason) for row in rows] == [
        (reader_id, True, False, "subscription")
    ] * 2
    paywall.clocks.travel(timedelta(days=1))
    await paywall.full("a", await paywall.access_token())
    assert len(await paywall.ledger()) == 3


async def test_a_refused_token_leaves_no_row(paywall: Paywall) -> None:
    await paywall.sign_in()
    await paywall.full("a", await paywall.access_token())
    await paywall.full("a", "forged")
    assert await paywall.ledger() == []


@pytest.mark.parametrize("path", ["/v1/articles/a/full", "/v1/me", "/v1/articles/a/access"])
async def test_two_authorization_headers_are_none(paywall: Paywall, path: str) -> None:
    """Which of them a proxy before us has looked at, nobody knows."""
    await paywall.sign_in("plan:digital")
    token = (await paywall.access_token()).encode()
    name = b"Authorization"
    if path.endswith("/full"):  # answered from memory from then on
        assert (await paywall.full("a", token.decode())).status_code == 200
    for headers in (
        [(name, b"Bearer " + token), (name, b"Bearer " + token)],
        [(name, b"Basic eDp5"), (name, b"Bearer " + token)],
        [(name, b"Bearer  " + token)],
        [(name, b"Bearer \t" + token)],
    ):
        assert (await paywall.client.get(path, headers=headers)).status_code == 401, headers
