from collections.abc import AsyncIterator

import httpx
import pytest

from service.db.session import Database
from service.problems import Problem
from service.running import Running, RunningApp
from service.tokens.claims import AccessClaims
from service.tokens.keys import KeyRingHolder, ensure_keys, list_keys, revoke
from service.tokens.routes import router
from service.tokens.signing import sign
from service.tokens.verifier import TokenVerifier
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.running import add_routes
from tests.tokens.examples import AUDIENCE, ENCRYPTION_KEY, ISSUER, access

pytestmark = on_sqlite

PATH = "/.well-known/jwks.json"


@pytest.fixture
async def holder(database: Database, clocks: MovingClocks) -> KeyRingHolder:
    async with database.transaction() as session:
        await ensure_keys(
            session, algorithm="ES256", encryption_key=ENCRYPTION_KEY, now=clocks.wall()
        )
    holder = KeyRingHolder(ENCRYPTION_KEY)
    await holder.refresh(database)
    return holder


@pytest.fixture
async def client(holder: KeyRingHolder) -> AsyncIterator[httpx.AsyncClient]:
    app = RunningApp(Running(holder))
    add_routes(app, router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def test_the_key_set_is_public_and_cacheable(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "set-cookie" not in answer.headers
    members = [set(key) for key in answer.json()["keys"]]
    assert members == [{"kty", "crv", "x", "y", "kid", "alg", "use"}] * 2


@pytest.mark.parametrize("spelling", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
async def test_an_unchanged_key_set_is_not_sent_again(
    client: httpx.AsyncClient, spelling: str
) -> None:
    etag = (await client.get(PATH)).headers["etag"]
    answer = await client.get(PATH, headers={"If-None-Match": spelling.format(etag=etag)})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_a_revoked_key_leaves_the_key_set_and_its_tokens_are_refused(
    client: httpx.AsyncClient, holder: KeyRingHolder, database: Database, clocks: MovingClocks
) -> None:
    before = await client.get(PATH)
    leaked = holder.current.active
    token = sign(access(now=clocks.wall()), leaked)
    verifier = TokenVerifier(holder, ISSUER, AUDIENCE)
    assert isinstance(verifier.verify(token, clocks.wall()), AccessClaims)
    async with database.transaction() as session:
        await revoke(
            session,
            leaked.kid,
            algorithm="ES256",
            encryption_key=ENCRYPTION_KEY,
            now=clocks.wall(),
        )
    await holder.refresh(database)
    after = await client.get(PATH, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    published = {key["kid"] for key in after.json()["keys"]}
    async with database.reading() as session:
        states = {key.kid: key.state for key in await list_keys(session)}
    assert published == {kid for kid, state in states.items() if state != "revoked"}
    assert leaked.kid not in published
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token, clocks.wall())


async def test_the_openapi_document_describes_the_key_set(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"][PATH]["get"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].endswith("/JwkSet")
    assert "304" in responses
