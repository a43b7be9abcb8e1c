"""docs/mail.md: its table names every mail that there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "service" / "outbox" / "templates"


def test_each_mail_is_in_the_table() -> None:
    text = (ROOT / "docs" / "mail.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    sent = {each.name.removesuffix(".subject.txt") for each in TEMPLATES.glob("*.subject.txt")}
    assert sorted(shown) == sorted(sent)
