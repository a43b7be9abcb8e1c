"""The rules of sessions hold in any order of events; `make soak` goes on with more of them."""

import secrets
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.account.session_machine import SessionMachine
from tests.databases import EmptiedDatabases

SOME = settings(
    max_examples=4,
    stateful_step_count=15,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # A history that fails is printed as it was played: to shorten it takes many minutes, and `make
    # soak` does that.
    phases=(Phase.generate,),
    print_blob=True,
)


def test_sessions_follow_their_rules_on_sqlite(migrated_file: Path, sqlite_folder: Path) -> None:
    def new_database() -> str:
        path = sqlite_folder / f"{secrets.token_hex(6)}.db"
        shutil.copyfile(migrated_file, path)
        return f"sqlite:///{path}"

    class OnSqlite(SessionMachine):
        pass

    OnSqlite.new_database = staticmethod(new_database)
    run_state_machine_as_test(OnSqlite, settings=SOME)


@pytest.mark.postgres
def test_sessions_follow_their_rules_on_postgresql(emptied_databases: EmptiedDatabases) -> None:
    taken: list[str] = []

    def new_database() -> str:
        if taken:
            emptied_databases.give_back(taken.pop())
        taken.append(emptied_databases.take())
        return taken[0]

    class OnPostgres(SessionMachine):
        pass

    OnPostgres.new_database = staticmethod(new_database)
    run_state_machine_as_test(OnPostgres, settings=SOME)
    emptied_databases.give_back(taken.pop())
