"""`paywall serve` is killed while readers read, buy, renew, pay twice and cancel. `make soak` kills more often."""

import secrets

import pytest

from service.settings import Settings
from tests.e2e import killed_reads, kills
from tests.forked import processes

pytestmark = [processes]
KILLS = 2


def test_nothing_is_lost_or_doubled_by_kills(settings: Settings) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    kills.survive(settings, seed, KILLS)


def test_no_granted_read_is_lost_by_kills(settings: Settings) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    killed_reads.survive(settings, seed, KILLS)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_granted_read_is_lost_by_the_kill_of_a_worker(settings: Settings) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    killed_reads.survive_workers(settings, seed, KILLS)
