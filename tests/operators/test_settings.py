"""The settings in force: values, where they come from, and no secret."""

from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path

import httpx2
import pytest

from service.db.tables import RulesVersion
from service.operators.settings.in_force import SettingInForce, SettingsInForce
from service.rules.in_force import InForce
from service.settings import Settings
from tests.conftest import START
from tests.databases import on_sqlite

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
SECRET = "a-secret-of-enough-length-for-production"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, SettingInForce]:
    """Of a process started with variables, a file, and a value of its command's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAYWALL_METER_LIMIT", "7")
    monkeypatch.setenv("PAYWALL_SECRET_KEY", SECRET)
    monkeypatch.setenv("PAYWALL_CURRENCY", "")
    url = "postgresql://ana:hush@db/news"
    lines = ("PAYWALL_METER_LIMIT=9", f"PAYWALL_DATABASE_URL={url}", "PAYWALL_LANGUAGE=de")
    (tmp_path / ".env").write_text("\n".join(lines))
    settings = Settings(publication="gazette")
    return {each.name: each for each in SettingsInForce.of(settings).items}


def test_each_says_where_it_comes_from(found: dict[str, SettingInForce]) -> None:
    told = {name: (each.value, each.source) for name, each in found.items()}
    assert told["PAYWALL_METER_LIMIT"] == ("7", "environment")
    assert told["PAYWALL_LANGUAGE"] == ("de", "file")
    assert told["PAYWALL_PUBLICATION"] == ("gazette", "program")
    assert told["PAYWALL_CURRENCY"] == ("", "default")
    assert told["PAYWALL_METRICS"] == ("true", "default")
    assert told["PAYWALL_LEDGER_KEEP_MONTHS"] == ("none", "default")
    assert told["PAYWALL_METRICS_FROM"] == ('["127.0.0.0/8", "::1/128"]', "default")
    assert told["PAYWALL_SECTION_LEVELS"] == ("{}", "default")
    assert len(told) == len(Settings.model_fields)
    assert all(each.about for each in found.values())


def test_no_secret_is_told(found: dict[str, SettingInForce]) -> None:
    assert found["PAYWALL_SECRET_KEY"].value == "set"
    assert found["PAYWALL_STRIPE_SECRET_KEY"].value == "not set"
    assert found["PAYWALL_DATABASE_URL"].value == "postgresql://ana:***@db/news"
    everything = repr(found)
    assert SECRET not in everything
    assert "hush" not in everything


def test_the_secret_for_development_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAYWALL_SECRET_KEY", raising=False)
    told = {each.name: each.value for each in SettingsInForce.of(Settings()).items}
    assert told["PAYWALL_SECRET_KEY"] == "for development only"


def test_what_editors_have_set_goes_before_it() -> None:
    settings = Settings(publication="gazette", meter_limit=7)
    sport = {"name": "Sport", "level": "free"}
    document = {
        "levels": {"default": {"level": "metered"}, "sections": [sport]},
        "meter": {"window": "week", "anonymous": None, "registered": 4},
    }
    stored = RulesVersion(version=1, at=START, actor="command", document=document)
    under = SettingsInForce.of(settings).under(InForce.of(stored, settings))
    told = {each.name: (each.value, each.source) for each in under.items}
    assert told["PAYWALL_METER_LIMIT"] == ("none", "rules")
    assert told["PAYWALL_SECTION_LEVELS"] == ('{"Sport": "free"}', "rules")
    assert told["PAYWALL_WALL_TITLE"][1] == "default"
    assert told["PAYWALL_PUBLICATION"] == ("gazette", "program")


@on_sqlite
async def test_the_page_shows_them_all(signed_in: SignedIn, settings: Settings) -> None:
    page = unescape((await (await signed_in("billing")).get("/admin/settings")).text)
    for name in Settings.model_fields:
        assert f"PAYWALL_{name.upper()}" in page
    assert settings.secret_key.get_secret_value() not in page
