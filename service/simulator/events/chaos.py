"""Disturbed delivery: what a network may do to webhooks, drawn from a seed so that it repeats."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.simulator.periods import DAY
from service.simulator.protocol.errors import invalid_parameter
from service.simulator.world import World

_WINDOW = 8  # about how many deliveries one may overtake, or be overtaken by


@dataclass(frozen=True)
class ChaosRules:
    """What to disturb. Each rate is the probability (0 to 1) for one delivery.

    `shuffle` lets deliveries overtake each other, `duplicate` sends one twice, `delay` holds it
    back for up to a day of world time, `drop` loses it for good.
    """

    seed: int
    shuffle: bool = False
    duplicate: float = 0.0
    delay: float = 0.0
    drop: float = 0.0


def read_rules(entries: Mapping[str, Any]) -> ChaosRules | None:
    """The rules that a JSON object describes; None where it names no seed, which is: no chaos.

    Raises:
        StripeError: 400, an entry is unknown or isn't what it has to be.
    """
    known = ("seed", "shuffle", "duplicate", "delay", "drop")
    for name in entries:
        if name not in known:
            raise invalid_parameter(name, f"Send only {', '.join(known)}.")
    seed, shuffle = entries.get("seed"), entries.get("shuffle", False)
    if seed is None:
        return None
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise invalid_parameter("seed", "The seed must be a whole number.")
    if not isinstance(shuffle, bool):
        raise invalid_parameter("shuffle", "shuffle must be true or false.")
    rates = {}
    for name in ("duplicate", "delay", "drop"):
        rate = entries.get(name, 0.0)
        if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise invalid_parameter(name, f"{name} must be a number from 0 to 1.")
        rates[name] = float(rate)
    return ChaosRules(seed, shuffle, **rates)


class Chaos:
    """Disturbs the deliveries of one world while it has rules.

    What happens to a delivery depends on the seed and on its place in the order of deliveries,
    never on time: the same seed and the same events are disturbed in the same way.
    """

    def __init__(self, world: World, rules: ChaosRules | None) -> None:
        """Nothing is disturbed while `rules` is None."""
        self.rules = rules
        self._world = world
        world.on_queued = self._disturb
        world.handlers["delivery.release"] = _release_one

    def change(self, rules: ChaosRules | None) -> None:
        """Disturb by other rules from now on; what was held back before comes free."""
        self.rules = rules
        with self._world.transaction():
            self.release()

    def release(self) -> None:
        """Let go all deliveries that are held back. Call it in a transaction."""
        connection = self._world.store.connection
        connection.execute(
            "UPDATE deliveries SET due = seq WHERE seq IN"
            " (SELECT CAST(subject AS INTEGER) FROM agenda WHERE action = 'delivery.release')"
        )
        connection.execute("DELETE FROM agenda WHERE action = 'delivery.release'")

    def _disturb(self, delivery: int) -> None:
        rules = self.rules
        if rules is None:
            return
        draw = random.Random(f"{rules.seed}:{delivery}")  # noqa: S311 - to repeat, not to hide
        drops, delays, doubles = (
            draw.random() < rate for rate in (rules.drop, rules.delay, rules.duplicate)
        )
        wait = draw.randrange(1, DAY)
        place, second_place = (delivery + _WINDOW * draw.random() for _ in range(2))
        # The queue is sorted by `due`. These lie at the dawn of time: due at once, in this order.
        due: float | None = place if rules.shuffle else delivery
        if drops or delays:
            due = None
        connection = self._world.store.connection
        connection.execute("UPDATE deliveries SET due = ? WHERE seq = ?", (due, delivery))
        if delays and not drops:
            self._world.schedule(self._world.now + wait, "delivery.release", str(delivery))
        if doubles and not drops:
            connection.execute(
                "INSERT INTO deliveries (event, endpoint, due)"
                " SELECT event, endpoint, ? FROM deliveries WHERE seq = ?",
                (second_place, delivery),
            )


def _release_one(world: World, subject: str) -> None:
    """The agenda's `delivery.release`: a delivery was held back long enough."""
    world.store.connection.execute("UPDATE deliveries SET due = seq WHERE seq = ?", (int(subject),))
