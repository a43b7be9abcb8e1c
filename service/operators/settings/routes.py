"""The page of the settings in force; they are changed where the service is started."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.operators.settings.in_force import AppSettingsInForce
from service.rules.in_force import AppInForce

router = APIRouter(prefix="/settings", route_class=PageRoute, include_in_schema=False)
SOURCES = {
    "environment": "The environment",
    "file": "The file .env",
    "default": "Default",
    "program": "The serve command",
    "rules": "The rules",
}

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]


@router.get("")
async def show_settings(
    request: Request, _: SeesSystem, at_start: AppSettingsInForce, rules: AppInForce
) -> Response:
    """Every setting, its value and where it comes from; of secrets whether they are set."""
    return page(request, "settings.html", in_force=at_start.under(rules).items, sources=SOURCES)
