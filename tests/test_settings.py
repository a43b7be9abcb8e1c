"""The settings, read from lines as in a `.env` file."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import DEVELOPMENT_SECRET, Settings

SECRET = "x" * 32
PRODUCTION = {
    "PAYWALL_ENVIRONMENT": "production",
    "PAYWALL_SECRET_KEY": SECRET,
    "PAYWALL_PUBLIC_URL": "https://news.example.org",
}


class Read:
    """Reads settings from variables alone; what the machine's own `.env` says doesn't count."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "settings.env"

    def __call__(self, **variables: str) -> Settings:
        lines = [f"{name}='{value}'" for name, value in variables.items()]
        self.file.write_text("\n".join(lines), encoding="utf-8")
        return Settings(_env_file=self.file)

    def refused(self, **variables: str) -> str:
        with pytest.raises(ValidationError) as caught:
            self(**variables)
        return "\n".join(item["msg"] for item in caught.value.errors())


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


def test_without_any_variable_it_is_ready_for_development(read: Read) -> None:
    settings = read()

    assert settings.environment == "development"
    assert settings.secret_key.get_secret_value() == DEVELOPMENT_SECRET
    assert settings.origins == ("http://127.0.0.1:8000",)


def test_production_takes_its_own_secret_and_https(read: Read) -> None:
    settings = read(**PRODUCTION, PAYWALL_ALLOWED_ORIGINS='["https://www.example.org"]')

    assert settings.origins == ("https://news.example.org", "https://www.example.org")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAYWALL_SECRET_KEY", DEVELOPMENT_SECRET),
        ("PAYWALL_SECRET_KEY", ""),
        ("PAYWALL_INSECURE_COOKIES", "true"),
        ("PAYWALL_PUBLIC_URL", "http://news.example.org"),
        ("PAYWALL_ALLOWED_ORIGINS", '["http://www.example.org"]'),
        ("PAYWALL_STRIPE_API_BASE", "http://127.0.0.1:12111"),
    ],
)
def test_production_refuses_what_is_for_development_only(
    read: Read, variable: str, value: str
) -> None:
    assert variable in read.refused(**{**PRODUCTION, variable: value})


def test_a_countrys_header_needs_a_proxy_that_sets_it(read: Read) -> None:
    assert "PAYWALL_TRUSTED_PROXIES" in read.refused(PAYWALL_COUNTRY_HEADER="CF-IPCountry")
    trusting = {"PAYWALL_TRUSTED_PROXIES": '["10.0.0.1"]'}
    assert read(PAYWALL_COUNTRY_HEADER="CF-IPCountry", **trusting).country_header == "CF-IPCountry"
    assert "pattern" in read.refused(PAYWALL_COUNTRY_HEADER="X Country", **trusting)


def test_a_short_secret_is_refused_with_the_way_to_a_longer_one(read: Read) -> None:
    sentence = read.refused(PAYWALL_SECRET_KEY="x" * 31)

    assert "PAYWALL_SECRET_KEY" in sentence
    assert "token_urlsafe" in sentence


@pytest.mark.parametrize("variable", ["PAYWALL_STRIPE_API_BASE", "PAYWALL_SECRET_KEY"])
def test_an_empty_variable_counts_as_absent(read: Read, variable: str) -> None:
    assert read(**{variable: ""}) == read()


def test_a_refusal_never_repeats_the_secret(read: Read) -> None:
    with pytest.raises(ValidationError) as caught:
        read(PAYWALL_SECRET_KEY="too-short-but-secret")

    assert "too-short-but-secret" not in str(caught.value)
    assert SECRET not in repr(read(PAYWALL_SECRET_KEY=SECRET))


def test_a_value_can_not_be_changed_afterwards(read: Read) -> None:
    settings = read()

    with pytest.raises(ValidationError):
        settings.secret_key = SecretStr(SECRET)  # type: ignore[misc]  # so says mypy too


@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "America/Argentina/Ushuaia"])
def test_time_zones_are_those_of_iana(read: Read, zone: str) -> None:
    assert read(PAYWALL_TIME_ZONE=zone).zone.key == zone


@pytest.mark.parametrize("zone", ["Lisbon", "Europe", "../../etc/passwd", "localtime", "Factory"])
def test_other_time_zones_are_refused(read: Read, zone: str) -> None:
    assert "IANA" in read.refused(PAYWALL_TIME_ZONE=zone)


@pytest.mark.parametrize(
    "origin",
    [
        "https://www.example.org",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "https://a.test:8443",
    ],
)
def test_origins_are_taken_as_browsers_send_them(read: Read, origin: str) -> None:
    assert read(PAYWALL_PUBLIC_URL=origin).public_url == origin
    assert read(PAYWALL_ALLOWED_ORIGINS=f'["{origin}"]').allowed_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "www.example.org",
        "//www.example.org",
        "https:www.example.org",
        "https://",
        "https://www.example.org/",
        "https://www.example.org/news",
        "https://www.example.org?a=b",
        "https://www.example.org#top",
        "https://www.example.org?",
        "https://reader@www.example.org",
        "https://www.example.org:70000",
        "https://[::1",
        "https://www.example.org https://a.test",
        "https://bücher.example",
        "ftp://www.example.org",
        "javascript://www.example.org",
    ],
)
def test_what_is_no_origin_is_refused(read: Read, origin: str) -> None:
    read.refused(PAYWALL_PUBLIC_URL=origin)
    read.refused(PAYWALL_ALLOWED_ORIGINS=f'["https://www.example.org", "{origin}"]')


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://WWW.Example.org", "https://www.example.org"),
        ("HTTPS://www.example.org", "https://www.example.org"),
        ("https://www.example.org:443", "https://www.example.org"),
        ("http://www.example.org:80", "http://www.example.org"),
    ],
)
def test_an_origin_that_would_never_match_is_refused_with_the_right_spelling(
    read: Read, written: str, sent: str
) -> None:
    assert f"as {sent}: write it so" in read.refused(PAYWALL_PUBLIC_URL=written)


@pytest.mark.parametrize("value", ["https://www.example.org", "[", '{"a": 1}', '"https://a.test"'])
@pytest.mark.parametrize("variable", ["PAYWALL_ALLOWED_ORIGINS"])
def test_a_list_that_is_no_json_list_is_refused_in_a_sentence(
    read: Read, variable: str, value: str
) -> None:
    assert "write a JSON list" in read.refused(**{variable: value})


def test_the_meter_can_be_switched_off_and_that_is_not_a_limit_of_zero(read: Read) -> None:
    assert read(PAYWALL_METER_LIMIT="null").meter_limit is None
    assert read(PAYWALL_METER_LIMIT="0").meter_limit == 0


def test_levels_by_section_and_tag_are_json_objects(read: Read) -> None:
    levels = '{"Puzzles": "subscribers", "News": "free"}'
    settings = read(PAYWALL_SECTION_LEVELS=levels, PAYWALL_TAG_LEVELS="{}")
    assert settings.section_levels == {"Puzzles": "subscribers", "News": "free"}
    assert settings.tag_levels == {}
    assert "such as {" in read.refused(PAYWALL_TAG_LEVELS="Puzzles: free")


def test_the_currency_is_a_code(read: Read) -> None:
    assert [read(PAYWALL_CURRENCY=value).currency for value in ("", "eur", "SEK")] == [
        "", "EUR", "SEK",
    ]  # fmt: skip
    for value in ("euro", "€", "EU1"):
        assert "such as EUR" in read.refused(PAYWALL_CURRENCY=value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAYWALL_METER_LIMIT", "-1"),
        ("PAYWALL_METER_LIMIT", "many"),
        ("PAYWALL_METER_WINDOW", "fortnight"),
        ("PAYWALL_DEFAULT_LEVEL", "members"),
        ("PAYWALL_SECTION_LEVELS", '{"News": "members"}'),
        ("PAYWALL_TAG_LEVELS", '["News"]'),
        ("PAYWALL_TAG_LEVELS", "News"),
        ("PAYWALL_PREVIEW_BLOCKS", "0"),
        ("PAYWALL_ACCESS_TOKEN_MINUTES", "11"),
        ("PAYWALL_UNLOCK_TOKEN_MINUTES", "11"),
        ("PAYWALL_STRIPE_TIMEOUT_SECONDS", "0"),
        ("PAYWALL_BACKGROUND_INTERVAL_SECONDS", "0"),
        ("PAYWALL_MAX_BODY_KILOBYTES", "1"),
        ("PAYWALL_PUBLICATION_NAME", "x" * 201),
        ("PAYWALL_WALL_TITLE", "x" * 201),
        ("PAYWALL_WALL_TEXT", "x" * 1001),
        ("PAYWALL_LOG_LEVEL", "loud"),
        ("PAYWALL_ENVIRONMENT", "staging"),
    ],
)
def test_values_out_of_range_are_refused(read: Read, variable: str, value: str) -> None:
    assert read.refused(**{variable: value})
