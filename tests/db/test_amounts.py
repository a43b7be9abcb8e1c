"""Amounts of money have 64 bits, and got them beside a newsroom's own views."""

import re
import secrets

import pytest
from sqlalchemy import Integer, NullPool, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import migrate
from service.db.engines import async_url
from service.db.tables import all_tables

BEFORE, AFTER = "7c1e5a90d3b8", "a6d3f81c20e7"
_AMOUNT = re.compile(
    r"(^|_)(amount|listed|recurring|net|fee|tax|total|subtotal|discount|price|value)(_|$)"
)
HUGE = 99_000_00 * 220
"""220 seats for IDR 99,000."""


def test_no_column_with_an_amount_has_32_bits() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds = {
        f"{table.name}.{column.name}": column.type.compile(dialect)
        for table in all_tables().sorted_tables
        for column in table.columns
        if isinstance(column.type, Integer) and _AMOUNT.search(column.name)
    }
    assert len(kinds) > 20
    assert {name for name, kind in kinds.items() if kind != "BIGINT"} == set()


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_views_come_again_with_their_rights(empty_database_url: str) -> None:
    role = f"desk_{secrets.token_hex(4)}"
    engine = create_async_engine(async_url(empty_database_url), poolclass=NullPool)
    counted = text("SELECT amount, pg_typeof(amount)::text FROM desk_passes")
    kinds = text(
        "SELECT DISTINCT data_type FROM information_schema.columns"
        " WHERE column_name LIKE '%amount' AND table_name IN ('offers', 'report_passes', 'passes')"
    )
    rights = text(
        "SELECT has_table_privilege(:role, name, 'SELECT')"
        " FROM unnest(ARRAY['report_passes', 'desk_passes', 'passes']) AS name"
    )
    seen = []
    async with engine.connect() as connection:
        await connection.run_sync(migrate.upgrade, BEFORE)
        for statement in (
            "CREATE VIEW desk_passes WITH (security_barrier=true) AS SELECT 2 * amount AS amount FROM report_passes",
            f"CREATE ROLE {role}",
            f"GRANT SELECT ON report_passes, desk_passes TO {role}",
        ):
            await connection.execute(text(statement))
        await connection.commit()
    for step, to in (
        (migrate.upgrade, AFTER), (migrate.downgrade, BEFORE), (migrate.upgrade, AFTER),
    ):  # fmt: skip
        async with engine.connect() as connection:
            await connection.run_sync(step, to)
        async with engine.connect() as connection:
            assert (await connection.execute(counted)).all() == []
            granted = (await connection.scalars(rights, {"role": role})).all()
            assert granted == [True, True, False]
            seen.append((await connection.scalars(kinds)).all())
    async with engine.begin() as connection:
        for statement in (f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
            await connection.execute(text(statement))
    await engine.dispose()
    assert seen == [["bigint"], ["integer"], ["bigint"]]
