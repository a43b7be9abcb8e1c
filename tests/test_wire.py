"""A local Stripe that is asked without HTTP: what it can't do is refused."""

import pytest

from service.simulator.app import create_simulator
from service.simulator.hooks.faults import Fault
from tests.conftest import MovingClocks
from tests.wire import OnItsLoop, WireAcross

URL = "http://stripe.test"


async def test_a_fault_that_it_would_not_meet_is_refused(clocks: MovingClocks) -> None:
    simulator = create_simulator(database=None, public_url=URL, wall_now=clocks.wall, endpoints=())
    wire = WireAcross(OnItsLoop(simulator), simulator)
    simulator.faults.add(Fault("500"))
    with pytest.raises(RuntimeError, match="A fault waits"):
        await wire.request_async("GET", f"{URL}/v1/customers", {})
