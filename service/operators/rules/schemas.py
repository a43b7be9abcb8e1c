"""The rules as JSON."""

from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BaseModel

from service.bodies import ListOut
from service.rules.document import RulesIn

LATEST = 2**31 - 1
"""The last version that there can be."""
VersionNumber = Annotated[int, Path(ge=1, le=LATEST)]


class RulesMade(BaseModel):
    """When a version was made, by whom; `version` 0 with neither: the settings' rules."""

    version: int
    at: AwareDatetime | None
    by: str | None


class RulesOut(RulesMade):
    """One version of the rules: `rules` may be sent back as it is where it is whole."""

    rules: RulesIn
    is_whole: bool
    """Whether `rules` is all that was saved. What a later release saved may be more, and can't be sent back."""
    warnings: list[str]
    """Sentences about plans that no offer sells and sections that no article is in: they may come later."""


class RulesHistory(ListOut[RulesMade]):
    """The versions, the newest first."""
