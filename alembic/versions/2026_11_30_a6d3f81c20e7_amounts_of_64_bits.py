"""amounts of 64 bits

A thousand seats in a currency of small units pass 32 bits, and PostgreSQL refused the row of what was paid.

PostgreSQL writes a table anew for that, and nobody reads or writes it meanwhile: about a second for 70,000 rows.
A second column, kept equal by a trigger, would spare the wait; but each write of the running release would cost
twice for as long as the copying lasts, and these are the smaller tables: articles and the meter need none of them,
and webhooks wait in the inbox. Each table is committed by itself, in the order of who waits for it. SQLite's
integers have 64 bits already.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "a6d3f81c20e7"
down_revision: str | None = "7c1e5a90d3b8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = {
    "offers": ("amount", "intro_amount"),
    "passes": ("amount",),
    "subscriptions": (
        "amount", "recurring_amount", "net_amount", "next_amount", "open_amount",
    ),
    "movements": (
        "from_listed", "from_recurring", "from_net", "to_listed", "to_recurring", "to_net",
    ),
}  # fmt: skip
_VIEWS_ON = """
WITH RECURSIVE above AS (
  SELECT CAST(:table AS regclass)::oid AS id, 0 AS depth
  UNION ALL
  SELECT pg_rewrite.ev_class, above.depth + 1 FROM above
    JOIN pg_depend ON pg_depend.refobjid = above.id AND pg_depend.refclassid = 'pg_class'::regclass
      AND pg_depend.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite ON pg_rewrite.oid = pg_depend.objid AND pg_rewrite.ev_class <> above.id
)
SELECT pg_class.oid AS id, pg_class.oid::regclass::text AS name, pg_get_viewdef(pg_class.oid) AS query,
  quote_ident(pg_get_userbyid(pg_class.relowner)) AS owner, pg_class.relowner = current_user::regrole AS is_ours,
  array_to_string(pg_class.reloptions, ', ') AS options
FROM pg_class JOIN (SELECT id, MAX(depth) AS depth FROM above GROUP BY id) AS deepest ON deepest.id = pg_class.oid
WHERE deepest.depth > 0 ORDER BY deepest.depth, pg_class.oid
"""
"""Those of a newsroom's own tools, too; each after what it is made of."""
_RIGHTS = """
SELECT grants.privilege_type, CASE grants.grantee WHEN 0 THEN 'PUBLIC' ELSE grants.grantee::regrole::text END,
  CASE WHEN grants.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_class, aclexplode(pg_class.relacl) AS grants WHERE pg_class.oid = :id
"""


def upgrade() -> None:
    _change("bigint")


def downgrade() -> None:
    """PostgreSQL refuses where an amount has no room."""
    _change("integer")


def _change(kind: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in _COLUMNS:
        _change_table(table, kind)
        with op.get_context().autocommit_block():  # commits what was done
            # Of changed columns PostgreSQL knows no longer which values they have.
            op.execute(f"ANALYZE {table}")


def _change_table(table: str, kind: str) -> None:
    """PostgreSQL changes no column under a view: those go, and come again with their rights."""
    connection = op.get_bind()
    views = connection.execute(sa.text(_VIEWS_ON), {"table": table}).all()
    rights = {
        each.id: connection.execute(sa.text(_RIGHTS), {"id": each.id}).all() for each in views
    }
    for each in reversed(views):
        connection.exec_driver_sql(f"DROP VIEW {each.name}")
    connection.exec_driver_sql(
        f"ALTER TABLE {table} "
        + ", ".join(f"ALTER COLUMN {name} TYPE {kind}" for name in _COLUMNS[table])
    )
    for each in views:
        options = f" WITH ({each.options})" if each.options else ""
        connection.exec_driver_sql(f"CREATE VIEW {each.name}{options} AS {each.query}")
        if not each.is_ours:
            connection.exec_driver_sql(f"ALTER VIEW {each.name} OWNER TO {each.owner}")
        for right, whom, further in rights[each.id]:
            connection.exec_driver_sql(f"GRANT {right} ON {each.name} TO {whom}{further}")
