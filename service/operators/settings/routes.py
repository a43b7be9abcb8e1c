"""The page of the settings in force; they are changed where the service is started."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from service.identity.permissions import Permission
from service.operators.frame.pages import PageRoute, page
from service.operators.frame.visits import Visit, page_requires
from service.operators.settings.in_force import AppSettingsInForce

router = APIRouter(prefix="/settings", route_class=PageRoute, include_in_schema=False)
SOURCES = {
    "environment": "The environment",
    "file": "The file .env",
    "default": "Default",
    "program": "The command that serves",
}

SeesSystem = Annotated[Visit, Depends(page_requires(Permission.SYSTEM_READ))]


@router.get("")
async def show_settings(request: Request, _: SeesSystem, in_force: AppSettingsInForce) -> Response:
    """Every setting, its value and where it comes from; of secrets whether they are set."""
    return page(request, "settings.html", in_force=in_force.items, sources=SOURCES)
