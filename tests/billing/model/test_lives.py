"""Whatever happens at Stripe, in whatever order it is heard of, and wherever a process dies: access is
what Stripe's state says. `make soak` goes on with more histories.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.billing.model.histories import play
from tests.postgres import PostgresServer

SOME = settings(
    max_examples=4,
    stateful_step_count=6,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # A history that fails is printed as it was played; `make soak` makes it shorter.
    phases=(Phase.generate,),
    print_blob=True,
)


def test_access_is_what_stripe_says_on_sqlite() -> None:
    play(SOME, None)


@pytest.mark.postgres
def test_access_is_what_stripe_says_on_postgresql(
    postgres_server: PostgresServer, migrated_name: str
) -> None:
    name = "lives"
    play(
        settings(SOME, max_examples=2),
        postgres_server.create_database(name, template=migrated_name),
    )
