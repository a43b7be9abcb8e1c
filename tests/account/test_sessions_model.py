"""The rules of sessions hold in any order of events; `make soak` goes on with more of them."""

import secrets
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.account.session_machine import SessionMachine
from tests.postgres import PostgresServer

SOME = settings(
    max_examples=17,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # A history that fails is printed as it was played: to shorten it takes many minutes, and `make
    # soak` does that.
    phases=(Phase.generate,),
    print_blob=True,
)
pytestmark = pytest.mark.timeout(600)


def test_sessions_follow_their_rules_on_sqlite(migrated_file: Path, tmp_path: Path) -> None:
    def new_database() -> str:
        path = tmp_path / f"{secrets.token_hex(6)}.db"
        shutil.copyfile(migrated_file, path)
        return f"sqlite:///{path}"

    class OnSqlite(SessionMachine):
        pass

    OnSqlite.new_database = staticmethod(new_database)
    run_state_machine_as_test(OnSqlite, settings=SOME)


@pytest.mark.postgres
def test_sessions_follow_their_rules_on_postgresql(
    postgres_server: PostgresServer, migrated_name: str
) -> None:
    def new_database() -> str:
        name = f"test_{secrets.token_hex(6)}"
        return postgres_server.create_database(name, template=migrated_name)

    class OnPostgres(SessionMachine):
        pass

    OnPostgres.new_database = staticmethod(new_database)
    run_state_machine_as_test(OnPostgres, settings=SOME)
