"""Names of devices: from which nothing leads back, in the order of their beginnings, and drawn for samples alike."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from service.identity.devices import SAMPLED, DeviceKey, new_device_id, pseudonym

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = DeviceKey(b"k" * 32)


def _drawn(device_id: str) -> int:
    """How many digits of a sample the hash of the id has."""
    digest = hashlib.sha256(device_id.encode()).hexdigest()
    return len(digest) - len(digest.lstrip(SAMPLED))


def test_names_follow_each_other_as_their_devices_began() -> None:
    begun = [new_device_id(NOW + timedelta(milliseconds=n)) for n in range(200)]
    names = [pseudonym(each) for each in begun if not _drawn(each)]
    assert len(names) > 100
    assert names == sorted(names)
    assert names[0][: len("dev_001")] == names[-1][: len("dev_001")]


def test_a_sample_has_the_devices_whose_hash_draws_them() -> None:
    begun = [new_device_id(NOW) for _ in range(2_000)]
    for digits in (1, 2):
        prefix = f"dev_{SAMPLED * digits}"
        drawn = {each for each in begun if _drawn(each) >= digits}
        assert {each for each in begun if pseudonym(each).startswith(prefix)} == drawn
    assert any(_drawn(each) for each in begun)


def test_devices_of_one_instant_have_names_of_one_length_each_its_own() -> None:
    names = {pseudonym(new_device_id(NOW)) for _ in range(2_000)}
    assert len(names) == 2_000
    assert {len(each) for each in names} == {len("dev_") + 24}


@pytest.mark.parametrize("ending", ["A", "Q", "g", "w"])
def test_a_device_from_before_keeps_its_name(ending: str) -> None:
    old = f"0193f2ab45c{'x' * 10}{ending}"
    assert pseudonym(old) == f"dev_{hashlib.sha256(old.encode()).hexdigest()[:24]}"


def test_an_id_is_read_back_from_what_was_signed_alone() -> None:
    device = new_device_id(NOW)
    signed = KEY.sign(device)
    assert KEY.read(signed) == device
    assert KEY.read(signed.replace(device, new_device_id(NOW))) is None
