"""Requests that are signed as Web Bot Auth asks (RFC 9421)."""

import base64
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.crawlers.signatures import SignedRequest, thumbprint

AGENT = 'sig1="https://bot.example"'


def public_key(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).decode().rstrip("=")}


def signed(
    key: Ed25519PrivateKey,
    *,
    now: datetime,
    authority: str = "www.example.org",
    path: str = "/articles/a",
    life: timedelta = timedelta(minutes=5),
    tag: str = "web-bot-auth",
    agent: str = AGENT,
    member: str = ';key="sig1"',
    covered: tuple[str, ...] = ("@authority", "signature-agent"),
    more: tuple[str, ...] = (),
) -> SignedRequest:
    """A GET that the key has signed. `member` is what of Signature-Agent is covered; empty: all of it."""
    created = int(now.timestamp())
    values = {
        "@authority": authority, "@method": "GET", "@path": path, "@query": "?", "@scheme": "https", "signature-agent":
        agent.partition("=")[2] if member else agent,
    }  # fmt: skip
    names = [f'"{each}"{member if each == "signature-agent" else ""}' for each in (*covered, *more)]
    parameters = (
        f"({' '.join(names)});created={created};expires={created + int(life.total_seconds())}"
        f';keyid="{thumbprint(public_key(key))}";tag="{tag}"'
    )
    lines = [f"{name}: {values[each]}" for name, each in zip(names, (*covered, *more), strict=True)]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(key.sign(base.encode())).decode()
    headers = {
        "signature-agent": agent, "signature-input": f"sig1={parameters}",
        "signature": f"sig1=:{signature}:",
    }  # fmt: skip
    return SignedRequest("GET", authority, path, "", headers)
