import pytest

from service.zones import zone_named

REFUSED = [
    "localtime", "Factory", "posixrules", "posix/UTC", "right/UTC", "posix/Europe/Lisbon", "leapseconds", "tzdata.zi",
    "zone.tab", "Europe", "europe/lisbon", "Europe/Lisbon ", "Europe/Lisbon\n", "Europe//Lisbon", "./UTC", "/etc/localtime",
    "../etc/passwd", "Mars/Olympus", "UTC+1", "+01:00", "\x00", "",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_means_a_zone_on_some_machines_only_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="is no IANA time zone"):
        zone_named(name)


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+5", "EST", "Australia/Lord_Howe", "US/Eastern"])
def test_each_zone_of_the_database_is_one(name: str) -> None:
    assert zone_named(name).key == name
