"""How many random histories a test of figures draws: a few each time, many in `make soak`."""

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = "SAMPLED_TIMES"
"""The environment's variable: as many times as many."""


def sampled(examples: int) -> settings:
    """New ones in each run, printed where they fail."""
    return settings(
        max_examples=examples * int(os.environ.get(TIMES, "1")),
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
