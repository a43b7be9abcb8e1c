"""Write the registry's part of docs/reports.md anew: `python -m tests.docs.write_reports`."""

from pathlib import Path

from tests.docs.test_reports import _BLOCK, TEXT, reference

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"

if __name__ == "__main__":
    PAGE.write_text(_BLOCK.sub(lambda _: reference(), TEXT), encoding="utf-8")
