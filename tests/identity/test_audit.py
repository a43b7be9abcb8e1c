"""How the audit trail names who made a change."""

from service.identity.audit import BY_COMMAND
from service.identity.callers import COMMAND


def test_a_command_has_one_name() -> None:
    assert COMMAND.label == BY_COMMAND
