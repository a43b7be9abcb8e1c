"""The settings in force, over the API."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from service.identity.callers import Actor, requires
from service.identity.permissions import Permission
from service.operators.settings.in_force import (
    AppSettingsInForce,
    SettingInForce,
    SettingSource,
)
from service.rules.in_force import AppInForce

router = APIRouter(tags=["system"])

ReadsSystem = Annotated[Actor, Depends(requires(Permission.SYSTEM_READ))]


class SettingItem(BaseModel):
    """A setting of this process. Of a secret, `value` is `set`, `not set` or `for development only`."""

    name: str
    value: str
    source: SettingSource
    """environment, file (.env), default, program: the command that serves set it, or rules: an editor has."""
    about: str

    @classmethod
    def of(cls, setting: SettingInForce) -> Self:
        return cls.model_validate(setting, from_attributes=True)


class SettingList(BaseModel):
    items: list[SettingItem]


@router.get("/settings", summary="Read the settings in force")
async def read_settings(
    _: ReadsSystem, at_start: AppSettingsInForce, rules: AppInForce
) -> SettingList:
    """Every setting as it holds in this process, never a secret. Needs system:read."""
    return SettingList(items=[SettingItem.of(each) for each in at_start.under(rules).items])
