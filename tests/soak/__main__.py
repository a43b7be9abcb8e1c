"""`make soak`: histories of sessions, of billing and of figures, kills of a serving process, events in every order,
what is promised in every state of a subscription, and other properties, for as many steps as wanted, on both databases by turns.

Each round has a number, its seed. How far it came is kept, so that an interrupted run goes on where it
was; a round that fails is named with its seed, and is the first one of the next run.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from service.db import migrate
from service.db.session import Database
from tests.account.session_machine import SessionMachine
from tests.bench.ratios import repeatable
from tests.billing.desk import desk_on
from tests.billing.model.histories import play
from tests.billing.orders import PURCHASES, RENEWALS, purchase_ends_alike, renewal_ends_alike
from tests.billing.test_promises import State, every, play_promises
from tests.conftest import MovingClocks, settings_of
from tests.e2e import killed_reads, kills
from tests.postgres import running_postgres
from tests.reports.sampled import TIMES
from tests.served import installation

HISTORIES, STEPS, KILLS, KILLED_READS = 10, 50, 10, 50
"""In each round, on one of the databases."""
ORDERS = 1_000
"""Of one purchase or renewal; all of what has no more than six events."""
REPORTS = Path(__file__).parents[1] / "reports"
KEPT = Path(os.environ.get("SOAK_PROGRESS", ".data/soak.json"))
NewDatabase = Callable[[], str]


@contextmanager
def databases() -> Iterator[dict[str, NewDatabase]]:
    """By name, what makes a new, migrated database."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as server:
        template = Path(folder) / "template.db"
        asyncio.run(migrate.migrate(f"sqlite:///{template}"))
        asyncio.run(migrate.migrate(server.create_database("template_soak")))

        def on_sqlite() -> str:
            path = Path(folder) / f"{secrets.token_hex(6)}.db"
            shutil.copyfile(template, path)
            return f"sqlite:///{path}"

        def on_postgres() -> str:
            # The round's databases have one name: each takes the place of the one before.
            return server.create_database("soak", template="template_soak")

        yield {"SQLite": on_sqlite, "PostgreSQL": on_postgres}


def billing_round(number: int, new_database: NewDatabase) -> int:
    """Play the lives of readers of this seed; how many steps they had."""
    url = new_database()
    limits = settings(
        max_examples=HISTORIES, stateful_step_count=STEPS // 2, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    # On SQLite each history has a file of its own.
    return play(limits, None if url.startswith("sqlite") else url, number=number)


def sessions_round(number: int, new_database: NewDatabase) -> int:
    """Play the sessions' histories of this seed; how many steps they had."""
    steps = 0

    class Here(SessionMachine):
        def teardown(self) -> None:
            nonlocal steps
            steps += self.steps.turn
            super().teardown()

    Here.new_database = staticmethod(new_database)
    limits = settings(
        max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(Here), settings=limits)
    return steps


def kills_round(number: int, new_database: NewDatabase) -> int:
    """Kill a serving process as this seed says; how many times."""
    kills.survive(settings_of(new_database()), number, KILLS)
    return KILLS


def killed_reads_round(number: int, new_database: NewDatabase) -> int:
    """Kill a process that is full of reads; how many times."""
    killed_reads.survive(settings_of(new_database()), number, KILLED_READS)
    return KILLED_READS


def killed_workers_round(number: int, new_database: NewDatabase) -> int:
    """Kill a worker that is full of reads; how many times."""
    killed_reads.survive_workers(settings_of(new_database()), number, KILLED_READS)
    return KILLED_READS


def orders_round(number: int, new_database: NewDatabase) -> int:
    """Deliver one purchase's or renewal's events in every order; how many there were."""
    mailing = settings_of(new_database()).model_copy(
        update={"mail_from": "Gazette <hello@gazette.example>"}
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        installation(mailing, MovingClocks(), webhooks=False) as site,
    ):
        site.publish("a", access={"level": "subscribers"})
        chance = repeatable(number)
        which = number % (len(PURCHASES) + len(RENEWALS))
        if which < len(PURCHASES):
            return purchase_ends_alike(site, Path(folder), PURCHASES[which], chance, ORDERS)
        renew = RENEWALS[which - len(PURCHASES)]
        return renewal_ends_alike(site, Path(folder), renew, chance, ORDERS)


def promises_round(number: int, new_database: NewDatabase) -> int:
    """Reach every combination that the local Stripe lets be; how many there are."""
    states = list(every())
    repeatable(number).shuffle(states)
    for state in states:
        try:
            asyncio.run(_promises(new_database(), state))
        except BaseException:
            say(f"the state was {'-'.join(state)}")
            raise
    return len(states)


async def _promises(url: str, state: State) -> None:
    settings, clocks = settings_of(url), MovingClocks()
    database = Database(url)
    try:
        async with desk_on(database, settings, clocks) as desk:
            await play_promises(desk, state)
    finally:
        await database.dispose()


def figures_round(number: int, new_database: NewDatabase) -> int:
    """Count every report of random histories anew, without the queries; how many there were a report."""
    modules = [each for each in REPORTS.glob("test_*.py") if "sampled(" in each.read_text()]
    _play_more(number, modules, "not browser")
    return HISTORIES


def properties_round(number: int, new_database: NewDatabase) -> int:
    """Try every property of the other tests with more examples; how many times as many."""
    modules = [
        each
        for each in REPORTS.parent.rglob("test_*.py")
        if REPORTS not in each.parents and "@given" in each.read_text()
    ]
    _play_more(number, modules, "hypothesis and not browser")
    return HISTORIES


def _play_more(number: int, modules: list[Path], marked: str) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marked,
            f"--hypothesis-seed={number}", *map(str, sorted(modules)),
        ],
        env={**os.environ, TIMES: str(HISTORIES)}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"a test failed:\n{done.stdout}{done.stderr}")


TURNS: tuple[tuple[str, str, Callable[[int, NewDatabase], int]], ...] = (
    ("sessions", "SQLite", sessions_round),
    ("sessions", "PostgreSQL", sessions_round),
    ("billing", "SQLite", billing_round),
    ("billing", "PostgreSQL", billing_round),
    ("kills", "SQLite", kills_round),
    ("kills", "PostgreSQL", kills_round),
    ("killed reads", "SQLite", killed_reads_round),
    ("killed reads", "PostgreSQL", killed_reads_round),
    ("killed workers", "PostgreSQL", killed_workers_round),
    # Each order begins with a copy of the same file.
    ("orders", "SQLite", orders_round),
    ("promises", "SQLite", promises_round),
    # Its tests make databases of their own, of both kinds.
    ("figures", "SQLite", figures_round),
    ("properties", "SQLite", properties_round),
)


def progress() -> tuple[int, int]:
    """The next round's number, and the steps so far."""
    if not KEPT.exists():
        return 1, 0
    kept = json.loads(KEPT.read_text())
    return kept["next_round"], kept["steps"]


def keep(number: int, steps: int) -> None:
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps({"next_round": number, "steps": steps}))


def soak(wanted: int, only: int | None) -> None:
    """Rounds until there were as many steps, those of interrupted runs included."""
    number, steps = progress() if only is None else (only, 0)
    with databases() as made:
        while steps < wanted:
            what, name, play_round = TURNS[number % len(TURNS)]
            started = time.monotonic()
            say(f"seed {number}, {what} on {name} …")
            try:
                steps += play_round(number, made[name])
            except BaseException as error:
                if not isinstance(error, KeyboardInterrupt):
                    say(f"seed {number} failed; to repeat it alone: make soak SEED={number}")
                raise
            took = time.monotonic() - started
            say(
                f"seed {number}, {what} on {name}: held; {min(steps, wanted)} of {wanted} steps, {took:.0f} s"
            )
            if only is not None:
                return
            number += 1
            keep(number, steps)
    keep(number, 0)
    say(f"done: {steps} steps. The next run goes on with seed {number}.")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 it is what the command is for


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="this round alone")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        soak(asked.steps, asked.seed)
    except KeyboardInterrupt:
        say("\nInterrupted. `make soak` goes on with the round that was running.")
        sys.exit(130)
