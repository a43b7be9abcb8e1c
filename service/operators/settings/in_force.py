"""Every setting as it holds in this process: its value unless it is a secret, and where it comes from."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from fastapi import Depends
from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource
from sqlalchemy import make_url

from service.rules.in_force import InForce
from service.running import part
from service.settings import DEVELOPMENT_SECRET, Settings

SettingSource = Literal["environment", "file", "default", "program", "rules"]
"""`program`: the command that serves set it, as `paywall demo` does; `rules`: an editor has."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class SettingInForce:
    """One setting. `value` of a secret is `set`, `not set` or `for development only`."""

    name: str
    """The variable, such as PAYWALL_METER_LIMIT."""
    value: str
    source: SettingSource
    about: str
    """What it does; names of settings and values stand in backticks."""


@dataclass(frozen=True)
class SettingsInForce:
    """All of them, in the order of settings.py. Made at the start: a file may change afterwards."""

    items: tuple[SettingInForce, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        # Read, not parsed: the values themselves are in the settings.
        environment, file = (
            EnvSettingsSource(Settings).env_vars,
            DotEnvSettingsSource(Settings).env_vars,
        )
        return cls(
            tuple(
                SettingInForce(
                    f"PAYWALL_{name.upper()}",
                    _shown(name, getattr(settings, name)),
                    _source(name, settings, environment, file),
                    _LINK.sub(r"\1", field.description or ""),
                )
                for name, field in Settings.model_fields.items()
            )
        )

    def under(self, rules: InForce) -> Self:
        """The same with what editors have set in the place of some."""
        return replace(
            self,
            items=tuple(
                replace(each, value=_shown(name, getattr(rules.settings, name)), source="rules")
                if (name := each.name.removeprefix("PAYWALL_").lower()) in rules.said
                else each
                for each in self.items
            ),
        )


def _shown(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if secret == DEVELOPMENT_SECRET:
            return "for development only"
        return "set" if secret else "not set"
    if name == "database_url":
        return make_url(value).render_as_string(hide_password=True)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | Mapping):
        return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)
    return str(value)


def _source(
    name: str, settings: Settings, environment: Mapping[str, Any], file: Mapping[str, Any]
) -> SettingSource:
    if name not in settings.model_fields_set:
        return "default"
    variable = f"paywall_{name}"
    if variable in environment:
        return "environment"
    return "file" if variable in file else "program"


AppSettingsInForce = Annotated[SettingsInForce, Depends(part(SettingsInForce))]
