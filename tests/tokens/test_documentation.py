"""Runs the recipes of docs/tokens.md, each in its own process, against a served key set."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from service.clock import Clocks
from service.running import Running, RunningApp
from service.tokens.claims import Claims
from service.tokens.key_pairs import generate, public_half
from service.tokens.keys import KeyRingHolder
from service.tokens.ring import KeyRing
from service.tokens.routes import router
from service.tokens.signing import sign
from tests.edge.tools import installed_packages, tool
from tests.patience import PATIENCE
from tests.tokens.examples import (
    AUDIENCE,
    EDDSA_KEY,
    ENCRYPTION_KEY,
    ES256_KEY,
    RING,
    access,
    forge,
    header_of,
    unlock,
)

PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"
PYTHON_HARNESS = """
import json, sys
def outcome(token):
    try:
        return verified(token)
    except jwt.PyJWTError as error:
        return None
print(json.dumps([outcome(token) for token in json.load(sys.stdin)]))
"""
NODE_HARNESS = """
import { readFileSync } from "node:fs";
const verified = tokenVerifier({
  issuer: process.env.PAYWALL_ISSUER, audience: process.env.PAYWALL_AUDIENCE,
});
const outcomes = [];
for (const token of JSON.parse(readFileSync(0, "utf-8"))) {
  outcomes.push(await verified(token).catch(() => null));
}
console.log(JSON.stringify(outcomes));
"""


def example(start: str) -> str:
    """The page's one code block that begins so: its language, and its file's name where it has one."""
    (block,) = re.findall(rf"```{start}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(block)


class ExampleKeys(KeyRingHolder):
    """Holds the example ring."""

    @property
    def current(self) -> KeyRing:
        return RING


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a real server whose key set is the example ring."""
    app = RunningApp(Running(ExampleKeys(ENCRYPTION_KEY)))
    app.include_router(router)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def tokens_of(issuer: str) -> tuple[list[tuple[Claims, str]], dict[str, str]]:
    """Valid tokens with their claims, and tokens to refuse by what is wrong with them."""
    now = Clocks().wall()
    minute = timedelta(minutes=1)

    def ours(claims: Claims) -> dict[str, Any]:
        return {**claims.payload(), "iss": issuer}

    def forged(header: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
        return forge({**header_of(access()), **header}, {**ours(access(now)), **changes}, ES256_KEY)

    valid = [
        (claims, forge(header_of(claims, key), ours(claims), key))
        for claims in (access(now), unlock(now), unlock(now, session_id="ses_1"))
        for key in (ES256_KEY, EDDSA_KEY)
    ]
    stranger = generate("ES256")
    token = valid[0][1]
    refused = {
        "empty": "",
        "another issuer": sign(access(now), ES256_KEY),
        "another audience": forged({}, {"aud": "other"}),
        "a list as audience": forged({}, {"aud": [AUDIENCE]}),
        "expired": forge(header_of(access()), ours(access(now - 11 * minute)), ES256_KEY),
        "future": forge(header_of(access()), ours(access(now + 60 * minute)), ES256_KEY),
        "another kind": forged({"typ": "JWT"}, {}),
        "none": forged({"alg": "none"}, {}).rpartition(".")[0] + ".",
        "another algorithm": forged({"alg": "EdDSA"}, {}),
        "critical member": forged({"crit": ["exp"]}, {}),
        "embedded key": forged({"jwk": public_half(stranger).jwk()}, {}),
        "stranger": forge(header_of(access(), stranger), ours(access(now)), stranger),
        "stranger under our kid": forge(header_of(access()), ours(access(now)), stranger),
        "changed": token.replace(".", ".A", 1),
        "no expiry": forged({}, {"exp": None}),
    }
    return valid, refused


def run(command: list[str], issuer: str) -> None:
    """`command` reads a JSON list of tokens and writes one of claims, null where it refuses."""
    check(issuer, lambda tokens: json.loads(outcome(command, issuer, json.dumps(tokens))))


def outcome(command: list[str], issuer: str, typed: str) -> str:
    finished = subprocess.run(
        command,
        input=typed,
        env={**os.environ, "PAYWALL_ISSUER": issuer, "PAYWALL_AUDIENCE": AUDIENCE},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def check(issuer: str, verify: Callable[[list[str]], list[Any]]) -> None:
    """Whether `verify` answers the claims of each valid token and None for each other one."""
    valid, refused = tokens_of(issuer)
    outcomes = verify([token for _, token in valid] + list(refused.values()))
    expected = [{**claims.payload(), "iss": issuer, "typ": claims.typ} for claims, _ in valid]
    assert outcomes[: len(valid)] == expected
    accepted = [
        name
        for name, outcome in zip(refused, outcomes[len(valid) :], strict=True)
        if outcome is not None
    ]
    assert accepted == []


def test_the_python_recipe_verifies_with_the_key_set_alone(issuer: str) -> None:
    run([sys.executable, "-W", "error", "-c", example("python") + PYTHON_HARNESS], issuer)


def test_the_javascript_recipe_verifies_with_the_key_set_alone(issuer: str, tmp_path: Path) -> None:
    script = tmp_path / "recipe.mjs"
    script.write_text(example("js\n// paywall-token.js") + NODE_HARNESS)
    run([tool("node"), str(script)], issuer)


def test_the_recipe_with_jose_verifies_with_the_key_set_alone(issuer: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(installed_packages())
    script = tmp_path / "recipe.mjs"
    script.write_text(example("js\n// paywall-jose.js") + NODE_HARNESS)
    run([tool("node"), str(script)], issuer)


def test_the_java_recipe_verifies_with_the_key_set_alone(issuer: str, tmp_path: Path) -> None:
    source = tmp_path / "Verify.java"
    source.write_text(example("java\n// Verify.java"))

    def verify(tokens: list[str]) -> list[Any]:
        command = [tool("java"), "-XX:TieredStopAtLevel=1", str(source)]
        lines = outcome(command, issuer, "".join(f"{token}\n" for token in tokens)).splitlines()
        told = [line.partition(" ") for line in lines]
        return [
            None if typ == "refused" else {**json.loads(claims), "typ": typ}
            for typ, _, claims in told
        ]

    check(issuer, verify)
