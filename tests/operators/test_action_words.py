"""What the pages call the audit log's actions."""

import re
from pathlib import Path

import service

SERVICE = Path(service.__file__).parent


def test_every_action_of_the_audit_log_has_words() -> None:
    written = re.compile(r'(?:action=|ACTION = |record\(\s*)"([a-z_-]+\.[a-z-]+)"')
    sources = [path.read_text(encoding="utf-8") for path in SERVICE.rglob("*.py")]
    actions = {each for source in sources for each in written.findall(source)}
    words = (SERVICE / "operators/templates/actions.html").read_text(encoding="utf-8")
    assert len(actions) > 30
    assert not [each for each in actions if f'"{each}": "' not in words]
