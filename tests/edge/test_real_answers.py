"""The recipes of docs/edge.md on a running service's own answers: its teasers, tokens and key set."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from tests.conftest import MovingClocks, settings_of
from tests.edge.test_recipes import (
    FULL,
    NJS_HARNESS,
    PROXY_HARNESS,
    WORKER_HARNESS,
    run,
)
from tests.served import Installation, installation
from tests.setups.frontends import MAIL_FROM, newest_mail_to

LEVELS: dict[str, dict[str, object]] = {
    "open": {"level": "free"},
    "counted": {"level": "metered"},
    "known": {"level": "registered"},
    "paid": {"level": "subscribers"},
    "gold": {"level": "subscribers", "plans": ["gold"]},
    "digital": {"level": "subscribers", "plans": ["gold", "digital"]},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Installation]:
    """At the time of the machine, which the recipes go by."""
    path = tmp_path_factory.mktemp("edge") / "paywall.db"
    settings = settings_of(f"sqlite:///{shutil.copyfile(migrated_file, path)}")
    settings = settings.model_copy(update={"mail_from": MAIL_FROM})
    with installation(settings, MovingClocks(datetime.now(UTC)), webhooks=False) as made:
        for slug, access in LEVELS.items():
            made.publish(slug, access=access, section="Sport")
        yield made


def tokens_of(browser: httpx2.Client) -> list[str]:
    """What the service gives this browser: an unlock token an article, and the session's."""
    unlocked = [browser.post(f"/v1/articles/{slug}/unlock").json() for slug in LEVELS]
    tokens = [str(answer["token"]) for answer in unlocked if answer["granted"]]
    session = browser.post("/v1/session/token")
    return [*tokens, session.json()["access_token"]] if session.status_code == 200 else tokens


def register(made: Installation, browser: httpx2.Client) -> None:
    asked = browser.post("/v1/sign-in", json={"email": "ben@example.org", "return_to": "/"})
    mail = newest_mail_to(made, "ben@example.org")
    proof = {"request_id": asked.json()["request_id"], "code": mail.code}
    assert browser.post("/v1/sign-in/confirm", json=proof).status_code == 200


def test_an_edge_opens_what_the_service_opens(made: Installation, tmp_path: Path) -> None:
    made.subscribe("monthly")  # of the plan `digital`
    with made.new_browser() as anonymous, made.new_browser() as reader:
        register(made, reader)
        tokens = [token for each in (made.browser, anonymous, reader) for token in tokens_of(each)]
        teasers = [anonymous.get(f"/v1/articles/{slug}").json() for slug in LEVELS]
        asked = [(slug, f"Bearer {token}") for token in tokens for slug in LEVELS]
        by_service = [
            anonymous.get(
                f"/v1/articles/{slug}/full", headers={"Authorization": bearer}
            ).status_code
            for slug, bearer in asked
        ]
    assert set(by_service) == {200, 403}
    at_edge = [(f"/full/{slug}", bearer) for slug, bearer in asked]
    for harness in (WORKER_HARNESS, PROXY_HARNESS):
        outcomes = run(tmp_path, harness, made.url, at_edge, teasers)
        assert [status for status, _ in outcomes] == by_service
        assert {text for status, text in outcomes if status == 200} == {FULL}
    # This one knows nothing of the articles: it opens less, never more.
    by_njs = [status for status, _ in run(tmp_path, NJS_HARNESS, made.url, at_edge, teasers)]
    assert {200, 403} == set(by_njs)
    opened = [(edge, service) for edge, service in zip(by_njs, by_service, strict=True)]
    assert (200, 403) not in opened
