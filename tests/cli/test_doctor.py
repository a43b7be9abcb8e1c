"""`paywall doctor`: what is wrong with an installation, and what to do."""

from typing import Any

import pytest

from service.cli.doctor import settings_findings
from service.settings import Settings
from tests.cli.conftest import Paywall
from tests.databases import on_sqlite
from tests.ports import free_port

SAFE: dict[str, Any] = {
    "environment": "production",
    "public_url": "https://news.example.org",
    "secret_key": "a-secret-of-our-own-" * 2,
    "trusted_proxies": ("10.0.0.1",),
}


@pytest.mark.parametrize(
    ("changed", "states", "says"),
    [
        ({}, ["ready", "ready"], ""),
        ({"trusted_proxies": ()}, ["ready", "ready", "warning"], "PAYWALL_TRUSTED_PROXIES"),
        ({"environment": "development"}, ["ready", "warning", "ready"], "PAYWALL_ENVIRONMENT"),
        (
            {"environment": "development", "public_url": "http://127.0.0.1:8000"},
            ["ready", "differs"],
            "PAYWALL_INSECURE_COOKIES",
        ),
        (
            {
                "environment": "development",
                "public_url": "http://127.0.0.1:8000",
                "insecure_cookies": True,
            },
            ["ready", "ready"],
            "",
        ),
    ],
)
def test_what_settings_say(changed: dict[str, Any], states: list[str], says: str) -> None:
    found = list(settings_findings(Settings(_env_file=None, **{**SAFE, **changed})))
    assert [each.state for each in found] == states
    assert says in "".join(each.advice for each in found)


@on_sqlite
def test_an_installation_that_cannot_reach_its_servers(paywall: Paywall) -> None:
    paywall("migrate")
    alone = paywall("doctor")
    assert (alone.code, alone.err) == (1, "")
    assert "WRONG   token keys\n        → " in alone.out
    cut_off = paywall(
        "doctor",
        PAYWALL_MAIL_FROM="hello@example.org",
        PAYWALL_SMTP_URL=f"smtp://127.0.0.1:{free_port()}",
        PAYWALL_STRIPE_SECRET_KEY="sk_test_local",
        PAYWALL_STRIPE_API_BASE=f"http://127.0.0.1:{free_port()}",
    )
    assert (cut_off.code, cut_off.err) == (1, "")
    assert "WRONG   mail server\n" in cut_off.out
    assert "PAYWALL_SMTP_URL" in cut_off.out
    assert "WRONG   Stripe\n        → Stripe can't be reached" in cut_off.out
