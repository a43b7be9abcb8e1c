"""The recipes of docs/edge.md, run in Node against a served key set, with the handlers' own shapes."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from service.access.decision import ArticleFacts, NoMeter, Wall, decide
from service.access.evidence import evidence_of_claims
from service.clock import Clocks
from service.grants.grants import GrantableArticle, Source, covers
from service.levels import Level
from service.tokens.claims import Claims, Entitlement
from service.tokens.key_pairs import PrivateKey
from tests.edge.tools import tool
from tests.tokens.examples import ES256_KEY, access, forge, header_of, unlock
from tests.tokens.test_documentation import example as tokens_example
from tests.tokens.test_documentation import issuer, outcome, tokens_of

PAGE = Path(__file__).parents[2] / "docs" / "edge.md"
SLUG = "harbour-wall"
FULL = "<p>All of it.</p>"


def teaser_at(level: str, **changes: Any) -> dict[str, Any]:
    """What the recipes read of a teaser; `plans` goes to its place in `access`."""
    access_ = {"level": level, "metered": level == "metered", "plans": changes.pop("plans", [])}
    return {"id": "art_1", "slug": SLUG, "section": "sport", "access": access_, **changes}


TEASER = teaser_at("subscribers")

__all__ = ["issuer"]  # the fixture

WORKER_HARNESS = """
import { readFileSync } from "node:fs";
import worker from "./worker.js";
const articles = new Map(TEASERS.map((teaser) => [teaser.slug, teaser]));
const env = {
  ISSUER: process.env.PAYWALL_ISSUER, AUDIENCE: process.env.PAYWALL_AUDIENCE,
  ARTICLES: { get: async (slug) => (articles.has(slug) ? FULL : null) },
};
const outside = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  const slug = String(url).split(`${env.ISSUER}/v1/articles/`)[1];
  return slug ? Response.json(articles.get(slug)) : outside(url, options);
};
const outcomes = [];
for (const [path, authorization] of JSON.parse(readFileSync(0, "utf-8"))) {
  const headers = authorization === null ? {} : { Authorization: authorization };
  const answer = await worker.fetch(new Request(`https://edge.example${path}`, { headers }), env);
  outcomes.push([answer.status, await answer.text()]);
}
console.log(JSON.stringify(outcomes));
"""
PROXY_HARNESS = """
import { readFileSync } from "node:fs";
import proxy, { config } from "./proxy.js";
if (config.matcher !== "/full/:slug") throw new Error("another route");
const outcomes = [];
for (const [path, authorization] of JSON.parse(readFileSync(0, "utf-8"))) {
  const headers = authorization === null ? {} : { Authorization: authorization };
  const answer = await proxy(new Request(`https://edge.example${path}`, { headers }));
  outcomes.push(answer === undefined ? [200, FULL] : [answer.status, await answer.text()]);
}
console.log(JSON.stringify(outcomes));
"""
NJS_HARNESS = """
import { readFileSync } from "node:fs";
import paywall from "./paywall-njs.js";
const kept = new Map();
globalThis.ngx = {
  fetch,
  shared: { paywall: { get: (name) => kept.get(name), set: (name, value) => kept.set(name, value) } },
};
const outcomes = [];
for (const [path, authorization] of JSON.parse(readFileSync(0, "utf-8"))) {
  let status = null;
  const headersIn = authorization === null ? {} : { Authorization: authorization };
  const variables = {
    request_uri: path,
    paywall_issuer: process.env.PAYWALL_ISSUER, paywall_audience: process.env.PAYWALL_AUDIENCE,
  };
  await paywall.check({ headersIn, variables, return: (code) => { status = code; } });
  outcomes.push(status === 204 ? [200, FULL] : [status, ""]);
}
console.log(JSON.stringify(outcomes));
"""
OPENS_HARNESS = """
import { readFileSync } from "node:fs";
import { opens } from "./opens.js";
const cases = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(cases.map(([claims, article]) => opens(claims, article))));
"""


def block(name: str) -> str:
    """The page's code block of this file name."""
    (found,) = re.findall(rf"```js\n// {re.escape(name)}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def run(
    folder: Path, harness: str, issuer: str, typed: object, teasers: Sequence[object] = (TEASER,)
) -> Any:
    """What the harness answers, run among the recipes' files at an edge with these articles."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "paywall-token.js").write_text(tokens_example("js\n// paywall-token.js"))
    for name in ("opens.js", "worker.js", "proxy.js", "paywall-njs.js"):
        (folder / name).write_text(block(name))
    constants = f"const TEASERS = {json.dumps(teasers)};\nconst FULL = {json.dumps(FULL)};\n"
    found = "async (slug) => TEASERS.find((teaser) => teaser.slug === slug)"
    (folder / "teasers.js").write_text(f"{constants}export const teaserOf = {found};")
    (folder / "run.js").write_text(constants + harness)
    command = [tool("node"), str(folder / "run.js")]
    return json.loads(outcome(command, issuer, json.dumps(typed)))


def signed(claims: Claims, issuer: str, key: PrivateKey = ES256_KEY) -> str:
    return forge(header_of(claims, key), {**claims.payload(), "iss": issuer}, key)


@pytest.mark.parametrize(
    ("harness", "any_algorithm"),
    [(WORKER_HARNESS, True), (PROXY_HARNESS, True), (NJS_HARNESS, False)],
    ids=["worker", "next.js", "njs"],
)
def test_an_edge_gives_the_full_text_to_readers_who_may_read_it(
    issuer: str, tmp_path: Path, harness: str, any_algorithm: bool
) -> None:
    now = Clocks().wall()
    path = f"/full/{SLUG}"
    valid, refused = tokens_of(issuer)
    everything = Entitlement("digital", "everything", until=None, grace=False)
    ended = Entitlement("digital", "everything", int(now.timestamp()) - 1, grace=False)
    elsewhere = Entitlement(None, "section:politics", until=None, grace=False)
    other_article = forge(
        header_of(unlock()), {**unlock(now).payload(), "iss": issuer, "art": "other"}, ES256_KEY
    )
    cases: list[tuple[str, str | None, int]] = [
        (path, f"Bearer {signed(access(now, entitlements=(everything,)), issuer)}", 200),
        (path, f"bearer {signed(unlock(now), issuer)}", 200),
        (path, f"Bearer {signed(access(now, entitlements=()), issuer)}", 403),
        (path, f"Bearer {signed(access(now, entitlements=(ended,)), issuer)}", 403),
        (path, f"Bearer {signed(access(now, entitlements=(elsewhere,)), issuer)}", 403),
        (path, f"Bearer {other_article}", 403),
        (path, None, 401),
        (path, "Bearer", 401),
        (path, f"Basic {valid[0][1]}", 401),
        *((path, f"Bearer {token}".strip(), 401) for token in refused.values()),
    ]
    if any_algorithm:
        unlocks = [token for claims, token in valid if claims.typ == "unlock+jwt"]
        cases += [(path, f"Bearer {token}", 200) for token in unlocks]
        cases.append(("/full/unknown", f"Bearer {valid[0][1]}", 404))
    asked = [(where, authorization) for where, authorization, _ in cases]
    outcomes = run(tmp_path, harness, issuer, asked)
    expected = [[status, FULL if status == 200 else ""] for *_, status in cases]
    assert outcomes == expected


def test_what_a_token_opens_at_an_edge_is_what_it_opens_here(issuer: str, tmp_path: Path) -> None:
    now = Clocks().wall()
    scopes = [
        "everything", "everything:", "everything:x", "plan:digital", "plan:print", "plan:", "plan",
        "section:sport", "section:", "section:a:b", "article:art_1", "article:", "later:thing", "",
    ]  # fmt: skip
    levels: tuple[Level, ...] = ("metered", "subscribers")
    articles = [
        GrantableArticle(id_, level, plans, section)
        for id_, level, plans, section in product(
            ("art_1", "art_2"),
            levels,
            ((), ("digital",), ("print", "digital")),
            (None, "sport", "a:b"),
        )
    ]
    cases = [
        (
            {**access(now).payload(), "typ": "at+jwt", "ent": [{"scope": scope, "until": None}]},
            teaser_at(
                article.level, id=article.id, section=article.section, plans=list(article.plans)
            ),
        )
        for scope, article in product(scopes, articles)
    ]
    expected = [covers(scope, article) for scope, article in product(scopes, articles)]
    assert run(tmp_path, OPENS_HARNESS, issuer, cases) == expected
    assert {True, False} == set(expected)


def test_a_registered_article_opens_to_a_verified_reader(issuer: str, tmp_path: Path) -> None:
    soon = int((Clocks().wall() + timedelta(minutes=5)).timestamp())
    registered = teaser_at("registered")
    base = {**access(entitlements=()).payload(), "typ": "at+jwt"}
    cases = [
        ({**base, "scope": "articles:read registered"}, registered),
        ({**base, "scope": "articles:read"}, registered),
        ({**base, "scope": "registered"}, TEASER),
        ({**base, "ent": [{"scope": "everything", "until": soon}]}, TEASER),
        ({**base, "ent": [{"scope": "everything", "until": soon - 301}]}, TEASER),
        (base, teaser_at("free")),
    ]
    opened = [True, False, False, True, False, True]
    assert run(tmp_path, OPENS_HARNESS, issuer, cases) == opened


def test_an_unlock_token_opens_at_an_edge_what_it_opens_here(issuer: str, tmp_path: Path) -> None:
    reasons = ("free", "meter", "registered", *get_args(Source))
    made = [
        (replace(unlock(Clocks().wall()), art=SLUG, rsn=reason), level)
        for reason, level in product(reasons, get_args(Level))
    ]
    cases = [
        ({**claims.payload(), "typ": "unlock+jwt"}, teaser_at(level)) for claims, level in made
    ]
    expected = [
        not isinstance(
            decide(
                ArticleFacts("art_1", level, (), "sport", visible=True),
                evidence_of_claims(claims, "art_1", sign_in_offered=False),
                NoMeter.NOT_ASKED,
                Clocks().wall(),
            ),
            Wall,
        )
        for claims, level in made
    ]
    assert run(tmp_path, OPENS_HARNESS, issuer, cases) == expected
    assert {True, False} == set(expected)


def test_a_teaser_that_lacks_a_member_opens_to_nobody(issuer: str, tmp_path: Path) -> None:
    everything = Entitlement("digital", "everything", until=None, grace=False)
    tokens = [
        {**access(entitlements=(everything,)).payload(), "typ": "at+jwt"},
        {**unlock().payload(), "art": SLUG, "rsn": "subscription", "typ": "unlock+jwt"},
    ]
    members = ("id", "slug", "section", "access")
    lacking = [
        *({name: TEASER[name] for name in members if name != left_out} for left_out in members),
        *(
            {**TEASER, "access": {k: v for k, v in TEASER["access"].items() if k != left_out}}
            for left_out in TEASER["access"]
        ),
        {**TEASER, **TEASER["access"]} | {"access": {}},
    ]
    whole = [(claims, TEASER) for claims in tokens]
    cases = [(claims, teaser) for claims in tokens for teaser in lacking]
    opened = run(tmp_path, OPENS_HARNESS, issuer, [*whole, *cases])
    assert opened == [True] * len(whole) + [False] * len(cases)
