"""One-time codes: those of the RFC, their time, and the secret's seal."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from service.identity.totp import (
    STEP_SECONDS,
    OneTimeCodes,
    new_one_time_codes,
    seal,
    unseal,
)
from service.sealing import SecretUnreadable
from service.settings import Settings

RFC = OneTimeCodes(b"12345678901234567890")
"""The secret of RFC 6238, appendix B; its codes there have eight digits, of which we show six."""
SETTINGS = Settings(_env_file=None, secret_key=SecretStr("a-secret-key-for-tests-of-enough-length"))
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
        (2000000000, "279037"), (20000000000, "353130"),
    ],
)  # fmt: skip
def test_the_codes_are_those_of_the_rfc(second: int, code: str) -> None:
    at = datetime.fromtimestamp(second, UTC)
    assert RFC.step_of(code, at) == second // STEP_SECONDS
    assert RFC.step_of(f" {code[:3]} {code[3:]}\n", at) == second // STEP_SECONDS


@pytest.mark.parametrize(
    ("distance", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_clock_may_be_a_step_off(distance: int, accepted: bool) -> None:
    present = int(NOW.timestamp()) // STEP_SECONDS
    step = RFC.step_of(RFC.code_at(present + distance), NOW)
    assert step == (present + distance if accepted else None)


@pytest.mark.parametrize(
    "code", ["", "28708", "2870820", "28708x", "２８７０８２", "-87082", "+28708", "2870.2", "\x00" * 6, "²" * 6]
)  # fmt: skip
def test_whatever_isnt_six_digits_is_no_code(code: str) -> None:
    assert RFC.step_of(code, datetime.fromtimestamp(59, UTC)) is None


def test_a_seal_is_of_one_operator_and_one_installation() -> None:
    codes = new_one_time_codes()
    sealed = seal(codes, "opr_a", SETTINGS)
    assert unseal(sealed, "opr_a", SETTINGS) == codes
    assert sealed != seal(codes, "opr_a", SETTINGS)
    other = SETTINGS.model_copy(update={"secret_key": SecretStr("x" * 40)})
    for text, operator, settings in [
        (sealed, "opr_b", SETTINGS), (sealed, "opr_a", other), (sealed[:-4], "opr_a", SETTINGS),
        ("", "opr_a", SETTINGS), ("é", "opr_a", SETTINGS),
    ]:  # fmt: skip
        with pytest.raises(SecretUnreadable):
            unseal(text, operator, settings)


def test_an_app_reads_the_address() -> None:
    address = RFC.address("ana@example.org", "The Gazette: News")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    fields = parse_qs(parts.query)
    assert fields["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert fields["issuer"] == ["The Gazette  News"]
    assert RFC.in_words() == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_secrets_differ_and_have_160_bits() -> None:
    made = {new_one_time_codes().secret for _ in range(50)}
    assert len(made) == 50
    assert {len(secret) for secret in made} == {20}
