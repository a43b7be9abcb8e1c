"""docs/local-stripe.md: its table is what is served, its examples run, its numbers are known."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.simulator.api import OPERATIONS
from service.simulator.app import create_simulator
from service.simulator.operations import Operation
from service.simulator.payments.card_numbers import CARDS, NAMED
from service.simulator.payments.debits import ACCOUNTS
from tests.conftest import MovingClocks
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.served import serving
from tests.simulator.document import StripeDocument
from tests.simulator.local import KEY, LocalStripe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "local-stripe.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8100"
_PAGING = {"limit", "starting_after", "ending_before"}


def row(operation: Operation) -> str:
    """An operation's line in the table."""
    known = ", ".join(f"`{name}`" for name in sorted(operation.params - {"expand"} - _PAGING))
    return f"| `{operation.method} {operation.template}` | {known or '–'} |"


def table() -> str:
    """The table as it has to be. Write it anew from this where an operation changes."""
    rows = sorted(OPERATIONS, key=lambda operation: (operation.template, operation.method))
    return "\n".join(["| operation | parameters |", "|---|---|", *map(row, rows)])


def test_the_table_is_what_is_served() -> None:
    begin, end = TEXT.index("<!-- operations:"), TEXT.index("<!-- end of operations -->")
    shown = TEXT[begin:end].partition("-->\n")[2].strip()
    assert shown == table(), "docs/local-stripe.md needs the table that table() makes"


def test_the_cards_and_accounts_are_those_it_knows() -> None:
    assert set(re.findall(r"`([0-9]{12,19})`", TEXT)) == set(CARDS)
    named = re.findall(r"^\| `([0-9]{12,})` \| `(\w+)` \|", TEXT, re.MULTILINE)
    assert [CARDS[number] for number, _ in named] == [NAMED[f"tok_{name}"] for _, name in named]
    assert set(re.findall(r"^\| `([A-Z]{2}[0-9]{20})` \|", TEXT, re.MULTILINE)) == set(ACCOUNTS)


def test_the_hooks_are_those_it_has(local: LocalStripe) -> None:
    shown = set(re.findall(r"`(?:GET|POST) (/_sim/[a-z/{}_]+)`", TEXT))
    routes = {getattr(route, "path", "") for route in local.simulator._app.routes}
    plain = {re.sub(r"\{\w+\}", "{}", path) for path in routes if path.startswith("/_sim/")}
    assert {re.sub(r"\{\w+\}", "{}", path) for path in shown} == plain


def test_what_is_not_served_is_told_as_stripe_tells_it(
    local: LocalStripe, document: StripeDocument
) -> None:
    served = {(entry.method, re.sub(r"\{\w+\}", "{}", entry.template)) for entry in OPERATIONS}
    left_out = set(document.operations) - served
    assert left_out
    for method, template in left_out:
        answer = local.browser.request(
            method,
            template.replace("{}", "none"),
            headers={"Authorization": f"Bearer {KEY}"},
        )
        assert answer.status_code == 404, (method, template)
        faults = document.faults_of_answer(method, template, 404, answer.json(), expanded=True)
        assert faults == []
        assert "does not simulate" in answer.json()["error"]["message"]


PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([sys.executable, "-c", PYTHON[0]], ["complete True", "active", "2"]),
        ([sys.executable, "-c", PYTHON[1]], ["0"]),
        (
            ["/bin/bash", "-euo", "pipefail", "-c", SHELL[0]],
            [
                '{"status":"complete","redirect_url":"http://127.0.0.1:8000/done"}',
                '"payment_status": "unpaid"',
                '{"payment_status":"paid"}',
                '"payment_status": "paid"',
            ],
        ),
    ],
    ids=["subscription", "in-process", "curl"],
)
def test_the_examples_run(command: list[str], expected: list[str]) -> None:
    simulator = create_simulator(database=None, public_url=ADDRESS, wall_now=MovingClocks().wall)
    with serving(simulator, free_port()) as url:
        done = subprocess.run(
            [part.replace(ADDRESS, url) for part in command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == expected
