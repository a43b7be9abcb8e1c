"""`paywall serve` is killed while readers buy, renew, pay twice and cancel. `make soak` kills more often."""

import secrets

from service.settings import Settings
from tests.e2e.kills import survive
from tests.forked import processes

pytestmark = [processes]
KILLS = 2


def test_nothing_is_lost_or_doubled_by_kills(settings: Settings) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 pytest shows it where the test fails
    survive(settings, seed, KILLS)
