"""Lists: those that are loaded are taken whole, or nothing of them; those that are empty say so."""

from pathlib import Path

import pytest

from tests.cli.conftest import Paywall
from tests.databases import on_sqlite

pytestmark = on_sqlite


def test_a_crawlers_address_list_is_loaded(paywall: Paywall, tmp_path: Path) -> None:
    file = tmp_path / "bingbot.json"
    file.write_text('{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}]}')
    assert paywall("crawlers", "load", "bingbot", str(file)).out == "bingbot has 1 network now.\n"
    lines = [line.split() for line in paywall("crawlers", "list").out.splitlines()]
    assert ["bingbot", "search", "1", "name,", "1", "network,", "0", "keys"] in lines
    file.write_text("0.0.0.0/0")
    refused = paywall("crawlers", "load", "bingbot", str(file))
    assert (refused.code, "too wide" in refused.err) == (1, True)
    file.write_text("192.0.2.1")
    unknown = paywall("crawlers", "load", "nobody", str(file))
    assert (unknown.code, "There is no crawler nobody" in unknown.err) == (1, True)


def test_institutions_are_imported(paywall: Paywall, tmp_path: Path) -> None:
    file = tmp_path / "libraries.csv"
    file.write_text("slug,name,plan,networks\ncity-library,City Library,digital,192.0.2.0/24\n")
    tried = paywall("import", "institutions", str(file), "--dry-run")
    assert "+ city-library" in tried.out
    assert "No offer sells the plan digital yet." in tried.out
    assert "Nothing was changed" in tried.out
    assert "1 new, 0 changed" in paywall("import", "institutions", str(file)).out
    assert "0 new, 0 changed, 1 stayed" in paywall("import", "institutions", str(file)).out
    file.write_text("slug,name,plan,networks\ncity-library,City Library,digital,abc\n")
    refused = paywall("import", "institutions", str(file))
    assert (refused.code, "Line 2: abc is no network" in refused.err) == (1, True)


@pytest.mark.parametrize(
    "empty",
    ["articles list", "readers list", "experiments list", "rules history", "offers list", "api-keys list",
     "operators list"],
)  # fmt: skip
def test_an_empty_list_says_so_beside_what_is_piped_on(paywall: Paywall, empty: str) -> None:
    shown = paywall(*empty.split())
    assert (shown.code, shown.out) == (0, "")
    assert shown.err.endswith(".\n")
