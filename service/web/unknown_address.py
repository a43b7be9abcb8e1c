"""An address that nothing answers: a page for people, the problem as such for programs."""

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.problems import Problem, prefers_html

_FOR_PROGRAMS = ("/v1", "/.well-known", "/healthz", "/readyz", "/metrics")


async def answer_unknown_address(request: Request, error: Exception) -> Response:
    """The application's handler of 404 where no route has answered, also to a form that is sent nowhere."""
    if not isinstance(error, HTTPException):
        raise error
    if not _is_for_a_person(request):
        return Problem("not-found", headers=error.headers).response()
    # Most addresses that nothing answers are asked for by programs.
    from service.web.pages import problem_page  # noqa: PLC0415

    words = "Check the address. The page may have moved."
    response = problem_page(request, Problem("not-found", words, headers=error.headers))
    if request.method == "HEAD":
        response.body = b""
    return response


def _is_for_a_person(request: Request) -> bool:
    path = request.url.path
    is_for_programs = any(path == each or path.startswith(f"{each}/") for each in _FOR_PROGRAMS)
    return not is_for_programs and prefers_html(request.headers.get("Accept", ""))
