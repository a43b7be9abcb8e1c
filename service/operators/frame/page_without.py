"""A page whose address has a field that can't be read: the page without it, and what was wrong."""

from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service.problems import Problem

_OF_THE_ROUTE = (
    "route", "endpoint", "path_params", "fastapi", "fastapi_inner_astack", "fastapi_function_astack",
)  # fmt: skip
_REFUSED = 422
_FOUND_OR_NOT = frozenset({200, 404})
"""Without the field a page may have nothing to show."""


def unread_fields(request: Request, problem: Problem) -> frozenset[str]:
    """The fields of the address that the problem is about."""
    if problem.slug != "invalid-request":
        return frozenset()
    places = [each["field"].split(".") for each in problem.members.get("errors", ())]
    named = {place[1] for place in places if place[0] == "query" and len(place) > 1}
    return frozenset(named & request.query_params.keys())


def refused_by(request: Request) -> str:
    """What was wrong with the fields that this page is asked without."""
    return getattr(request.state, "refused", "")


class PageWithout(Response):
    """The page that answers the address without these fields, as a refusal (422) that says why.

    It is asked for when this is sent: what the first answer held, such as a turn at the database, is given back by then.
    """

    def __init__(self, request: Request, problem: Problem, fields: Collection[str]) -> None:
        super().__init__(status_code=_REFUSED)
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        kept = [(name, value) for name, value in pairs if name not in fields]
        state = {
            **request.scope.get("state", {}),
            "refused": f"{refused_by(request)} {problem.detail}".strip(),
        }
        self._asks = request.app.router
        self._scope: Scope = {
            **{key: of for key, of in request.scope.items() if key not in _OF_THE_ROUTE},
            "query_string": urlencode(kept).encode(), "state": state,
        }  # fmt: skip

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async def send_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _FOUND_OR_NOT:
                message = {**message, "status": _REFUSED}
            await send(message)

        await self._asks(self._scope, receive, send_refused)
