"""What a start imports: nothing that only somebody else needs."""

import subprocess
import sys

import pytest

LIST = "import sys; sys.argv = ['paywall', '--help']; from service.__main__ import main; main()"
SERVE = "import service.logs; from service.cli.app import assembled; assembled(['serve']);"
STEADY = f"{SERVE} import service.background"
OF_THE_BACK_OFFICE = {
    "service.back_office", "service.operators.routes", "service.operators.api", "service.metrics",
    "service.reports.registry", "service.reports.report_schemas", "service.operators.week", "segno",
}  # fmt: skip
OF_READERS = {
    "service.reader_routes", "service.account.sign_in", "service.checkout.start", "service.upkeep",
    "service.stripe_tasks",
    "service.billing.sync", "service.outbox.smtp", "service.web.pages", "aiosmtplib", "jinja2", "babel",
    "service.db.tables.rollups", "service.db.tables.finance", "service.db.tables.staff",
    "service.db.tables.purchases", "service.db.tables.rights", "service.db.tables.inbox", "service.payments.gateway",
    "service.db.tables.accounts", "service.db.tables.billing", "service.db.tables.operators", "service.identity.audit",
    "service.content.schemas",
}  # fmt: skip
"""Beside articles."""
OF_PUBLISHERS = {"service.content.cut", "markdown_it", "lxml", "nh3"}


@pytest.mark.parametrize(
    ("code", "left_out"),
    [
        (LIST, {"fastapi", "pydantic", "sqlalchemy", "starlette", "structlog", "asyncio"}),
        (
            SERVE,
            {
                *OF_THE_BACK_OFFICE,
                *OF_PUBLISHERS,
                *OF_READERS,
                "service.background",
                "alembic",
                "stripe",
                "httpx",
                "asyncpg",
                "sqlalchemy.dialects.postgresql",
                "pydantic.v1.main",
                "jwt",
                "cryptography.x509",
                "rich.console",
            },
        ),
        (STEADY, {*OF_THE_BACK_OFFICE, *OF_PUBLISHERS, *OF_READERS}),
    ],
    ids=["a list of the commands", "serving", "what runs in the background from the start"],
)
def test_a_start_imports_no_more_than_it_needs(code: str, left_out: set[str]) -> None:
    at_the_end = "import atexit, sys; atexit.register(lambda: print('\\n', *sys.modules));"
    ended = subprocess.run(
        [sys.executable, "-c", at_the_end + code], capture_output=True, text=True, check=True
    )
    assert "service.cli.app" in ended.stdout
    assert left_out & {*ended.stdout.split()} == set()
