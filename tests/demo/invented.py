"""A new demo with its invented year, in this process."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from service.billing.reconcile import reconcile
from service.db.base import Base
from service.db.context import Context
from service.db.session import Database
from service.demo.history import write
from service.demo.newspaper import read_newspaper
from service.demo.seed import seed
from service.finance.books import Gap, gaps
from service.payments.books import BookedKind
from service.payments.stripe_gateway import StripeGateway
from service.simulator.app import Simulator, create_simulator
from tests.conftest import MovingClocks, settings_of
from tests.stripe_at_hand import gateway_to
from tests.wire import Wire

SIZE, SMALL = 80, 30
MONTH = timedelta(days=30)
URL = "http://stripe.localhost"
FEW = 8
"""To compare each subscriber with Stripe takes longer than all else: a small one will do for that."""


@dataclass
class Demo:
    """A new demo with its local Stripe, in this process."""

    context: Context
    clocks: MovingClocks
    simulator: Simulator
    gateway: StripeGateway
    size: int

    async def begin(self) -> None:
        await seed(self.context, read_newspaper(self.clocks.business()))
        assert await write.is_wanted(self.context, self.size)
        await write.begin(self.context, self.simulator, size=self.size)

    async def jump(self, by: timedelta) -> None:
        """As the bar on the demo's pages does, but for webhooks, which nobody receives here."""
        self.clocks.travel(by)
        await write.go_on(self.context, self.simulator)
        self.simulator.world.catch_up()

    async def differences(self) -> list[object]:
        report = await reconcile(
            self.context, self.gateway, started_by="test", fix=False, pauses=()
        )  # fmt: skip
        assert report.compared > self.size
        return [each.difference for each in report.findings]

    async def gaps(self, *kinds: BookedKind) -> list[Gap]:
        """Where the rows of money aren't what the local Stripe lists."""
        found = [each for kind in kinds async for each in self.gateway.booked_since(kind, None)]
        assert len(found) > self.size
        async with self.context.database.reading() as session:
            return await gaps(session, found)

    def events(self) -> int:
        """What the local Stripe has played by itself."""
        return sum(
            "subscription" in each["type"] for each in self.simulator.world.store.find("event")
        )


@asynccontextmanager
async def begun(url: str, size: int) -> AsyncIterator[Demo]:
    clocks, database = MovingClocks(), Database(url)
    simulator = create_simulator(database=None, public_url=URL, wall_now=clocks.wall, endpoints=())
    gateway = gateway_to(URL, http=Wire(simulator.world))
    settings = settings_of(url).model_copy(update={"mail_from": "Packet <packet@example.org>"})
    demo = Demo(Context(settings, clocks, database), clocks, simulator, gateway, size)
    await demo.begin()
    yield demo
    await gateway.close()
    simulator.world.store.close()
    await database.dispose()


async def counted(demo: Demo, column: Any, table: type[Base]) -> Counter[str]:
    async with demo.context.database.reading() as session:
        found = await session.execute(
            select(column, func.count()).select_from(table).group_by(column)
        )
    return Counter({str(name): count for name, count in found})
