"""docs/operators.md explains every permission in the words of the pages."""

from pathlib import Path

from service.identity.permissions import PERMISSION_WORDS, SCOPES, Permission

PAGE = (Path(__file__).parents[2] / "docs" / "operators.md").read_text(encoding="utf-8")


def test_every_permission_is_explained() -> None:
    assert set(PERMISSION_WORDS) == set(Permission)
    for scope in SCOPES:
        words = PERMISSION_WORDS[scope]
        assert f"| `{scope}` | {words[0].lower()}{words[1:]} |" in PAGE
