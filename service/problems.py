"""Errors as `application/problem+json` (RFC 9457).

`CATALOGUE` is the closed list of problem types; `/problems/{slug}` explains each and
docs/problems.md is held equal to it by a test. Raise `Problem("slug", "what happened and what to do
next")` anywhere: the transaction rolls back and the handler writes the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from service.wrong_values import sentence_of

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 20


@dataclass(frozen=True)
class ProblemType:
    """One type of problem: its HTTP status, its title, and what the caller can do."""

    status: int
    title: str
    remedy: str


CATALOGUE: Mapping[str, ProblemType] = {
    # requests as such
    "malformed-request": ProblemType(
        400, "The request can't be read", "Send well-formed HTTP with valid UTF-8 and JSON."
    ),
    "not-found": ProblemType(404, "There is nothing here", "Check the address."),
    "method-not-allowed": ProblemType(
        405, "This method isn't allowed here", "Use one of the methods in the Allow header."
    ),
    "body-too-large": ProblemType(
        413, "The body is too large", "Send less; the detail names the limit."
    ),
    "unsupported-media-type": ProblemType(
        415, "The body has the wrong type", "Send JSON with Content-Type: application/json."
    ),
    "invalid-request": ProblemType(
        422, "The request has invalid values", "Correct the fields named in `errors`."
    ),
    "changed-meanwhile": ProblemType(
        412,
        "Somebody else has changed it",
        "Read it again, and repeat your change with its new ETag.",
    ),
    "too-many-requests": ProblemType(
        429, "Too many requests", "Try again after the seconds in Retry-After."
    ),
    "internal-error": ProblemType(
        500,
        "Something failed on our side",
        "Try again later; tell the operator the request id of the answer.",
    ),
    "database-unavailable": ProblemType(
        503, "The database can't be reached", "Try again after the seconds in Retry-After."
    ),
    "takes-too-long": ProblemType(
        503, "That takes too long to count", "Ask for less at once; the detail says how."
    ),
    # who asks
    "unauthenticated": ProblemType(
        401, "Credentials are needed", "Send a valid session, token or API key."
    ),
    "invalid-token": ProblemType(
        401, "The token isn't valid", "Fetch a new token; tokens live for some minutes only."
    ),
    "insufficient-scope": ProblemType(
        403,
        "The token is for reading",
        "Send the session's cookie, or from an app a token of scope `account`.",
    ),
    "sign-in-again": ProblemType(
        403,
        "Sign in once more",
        "This needs a sign-in of the last 15 minutes. Ask for a new mail, confirm it, and repeat.",
    ),
    "forbidden": ProblemType(
        403,
        "You don't have permission",
        "Ask an administrator for the permission that the detail names.",
    ),
    "foreign-origin": ProblemType(
        403,
        "This site may not act for the reader",
        "Add the site's origin to PAYWALL_ALLOWED_ORIGINS.",
    ),
    "invalid-form": ProblemType(
        403, "The form is no longer valid", "Reload the page and send the form again."
    ),
    # the staff's accounts
    "operator-exists": ProblemType(
        409, "This operator exists already", "Change the existing account."
    ),
    "last-administrator": ProblemType(
        409,
        "One administrator has to stay",
        "Make somebody else an administrator first.",
    ),
    "customer-bound": ProblemType(
        409, "The customer at Stripe is another reader's", "Look at that reader first."
    ),
    # signing in
    "sign-in-is-off": ProblemType(
        503, "Sign-in is off", "The operator has to set PAYWALL_MAIL_FROM."
    ),
    "invalid-email": ProblemType(
        422, "This isn't an e-mail address", "Write it as in reader@example.org."
    ),
    "address-taken": ProblemType(
        409,
        "This address has an account already",
        "Sign in with it, or choose another address.",
    ),
    "sign-in-refused": ProblemType(
        403,
        "The link or code doesn't sign in",
        "Ask for a new mail: a link and a code work once and for ten minutes, the code only in the "
        "browser that asked for it.",
    ),
    "address-unconfirmed": ProblemType(
        403, "The address isn't confirmed yet", "Ask for a sign-in mail, and confirm it first."
    ),
    "subscription-runs": ProblemType(
        409,
        "A subscription still runs",
        "Send `cancel_subscription: true` to end it with the account, or cancel it in the portal.",
    ),
    # content and access
    "article-not-found": ProblemType(
        404, "There is no such article", "Check the slug; it may have been withdrawn."
    ),
    "not-a-canary": ProblemType(
        409,
        "This article isn't a leak check's",
        "Withdraw it by DELETE /v1/admin/articles/{slug}.",
    ),
    "article-changed": ProblemType(
        412, "The article has changed meanwhile", "Fetch it again and repeat with its new ETag."
    ),
    "crawler-refused": ProblemType(
        403,
        "This publication doesn't serve this crawler",
        "Look at /robots.txt for what it serves.",
    ),
    "license-required": ProblemType(
        402, "This article needs a licence", "Follow the link with rel=license to the terms."
    ),
    "rules-changed": ProblemType(
        412,
        "Somebody else has changed the rules",
        "Read them again, and repeat your change with their new ETag.",
    ),
    "experiment-begun": ProblemType(
        409,
        "The experiment has begun",
        "It can only be stopped. Plan another one, with another name.",
    ),
    "experiment-not-running": ProblemType(
        409, "The experiment doesn't run", "Look its state up: only a running one can be stopped."
    ),
    "another-experiment": ProblemType(
        409,
        "Another experiment runs",
        "Wait for its end, or stop it: two at once would disturb each other.",
    ),
    "experiment-relies-on-them": ProblemType(
        409,
        "A running experiment relies on it",
        "Stop the experiment first, or wait for its end.",
    ),
    "right-not-found": ProblemType(
        404,
        "We find no such subscription",
        "Check the number and the postcode, as they are on the bill or the label. Else write to us.",
    ),
    "walled": ProblemType(
        402, "The article is behind the wall", "Show the wall: its words, offers and actions."
    ),
    "article-not-covered": ProblemType(
        403, "The token doesn't open this article", "Unlock the article to get a token for it."
    ),
    "gift-refused": ProblemType(
        403, "This article can't be given", "The detail and `reason` say why, and what is possible."
    ),
    "no-seats": ProblemType(
        409,
        "There is no seat to give",
        "The detail says why; seats are bought with the subscription.",
    ),
    "seat-closed": ProblemType(
        409, "This seat can't be taken", "Ask the owner of the subscription for another one."
    ),
    "holds-a-seat": ProblemType(
        409,
        "The reader has a seat already",
        "It opens what this offer does. Leave the seat in your account first, then subscribe.",
    ),
    "has-access": ProblemType(
        409,
        "The reader has this already",
        "`source` says by what, `until` how long. Ask them, and send `despite_access` if they buy all the same.",
    ),
    "gift-closed": ProblemType(
        409, "This gift can't be redeemed", "The detail says what became of it, and whom to ask."
    ),
    "not-a-read": ProblemType(
        403, "A prefetch isn't a read", "Unlock the article once the reader has opened it."
    ),
    # selling
    "offer-not-found": ProblemType(
        404, "There is no such offer", "Choose one of GET /v1/offers; it may be archived."
    ),
    "not-a-former-subscriber": ProblemType(
        403,
        "This offer is for readers who subscribed before",
        "Choose one of GET /v1/offers, or sign in with the address that had the subscription.",
    ),
    "offer-changed": ProblemType(
        412, "The offer has changed meanwhile", "Fetch it again and repeat with its new ETag."
    ),
    "invalid-return-address": ProblemType(
        422,
        "The return address isn't ours",
        "Use a path of the site, or an address on a listed origin.",
    ),
    "already-subscribed": ProblemType(
        409,
        "There is a subscription already",
        "Manage it in the portal (`portal`), where plans are switched too.",
    ),
    "checkout-not-found": ProblemType(
        404, "There is no such checkout", "Start a new checkout from the offer."
    ),
    "checkout-not-paid": ProblemType(
        409, "The checkout isn't paid yet", "Finish paying at `url`, or start a new checkout."
    ),
    "payment-processing": ProblemType(
        409,
        "The payment is on its way",
        "The bank may take some days. Ask again later; there is no need to pay again.",
    ),
    "payment-failed": ProblemType(
        409, "The bank has refused the payment", "Nothing was charged. Start a new checkout."
    ),
    "checkout-expired": ProblemType(
        410, "The checkout has expired", "Nothing was charged. Start a new one."
    ),
    "claim-refused": ProblemType(
        403,
        "This browser didn't start the checkout",
        "Continue in the browser the purchase was started in.",
    ),
    "no-subscription": ProblemType(
        409, "There is nothing to manage yet", "Subscribe first; the portal comes with it."
    ),
    "selling-is-off": ProblemType(
        503, "Selling is off", "The operator has to set PAYWALL_STRIPE_SECRET_KEY."
    ),
    "stripe-unavailable": ProblemType(
        503, "Stripe doesn't answer", "Nothing was charged. Try again after Retry-After seconds."
    ),
    "purchase-refused": ProblemType(
        502,
        "Stripe refuses this purchase",
        "Choose another offer, and tell the operator the request id of the answer.",
    ),
    # webhooks
    "webhook-refused": ProblemType(
        400, "The webhook isn't from Stripe", "Check the signing secret and the clock."
    ),
}


class Problem(Exception):
    """An error answer. `detail` says what happened here; `members` are at the top level."""

    def __init__(
        self,
        slug: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.slug = slug
        self.type = CATALOGUE[slug]
        self.detail = detail or self.type.remedy
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(f"{slug}: {self.detail}")

    def body(self) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.slug}",
            "title": self.type.title,
            "status": self.type.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        return JSONResponse(
            self.body(), self.type.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def invalid_field(field: str, message: str) -> Problem:
    """`invalid-request` about one field, named as validation names it: `body.label`, `query.cursor`."""
    return Problem("invalid-request", message, errors=[{"field": field, "message": message}])


_BY_STATUS = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}
_SERVER_ERROR = 500


@runtime_checkable
class ForPeople(Protocol):
    """A route for browsers: what goes wrong at its address is a page, also at the commit after it."""

    def page_about(self, request: Request, problem: Problem) -> Response: ...


def answer_about(request: Request, problem: Problem) -> Response:
    """The problem as the route that was asked shows it: as a page, or as it is."""
    route = request.scope.get("route")
    if not isinstance(route, ForPeople):
        return problem.response()
    response = route.page_about(request, problem)
    if request.method == "HEAD":
        response.body = b""
    return response


def answer_before_routes(request: Request, problem: Problem) -> Response:
    """The problem as the route shows it to a browser that the address leads to, though no route was asked yet."""
    path = request.url.path
    for each in iter_route_contexts(request.app.routes):
        route = each.original_route
        if isinstance(route, ForPeople) and (found := each.path_regex.match(path)):
            request.scope["path_params"] = found.groupdict()
            return route.page_about(request, problem)
    return problem.response()


def prefers_html(accept: str) -> bool:
    """Whether an Accept header weighs HTML above JSON. What takes anything is a program."""
    weights = dict(_weighed(part) for part in accept.lower().split(","))

    def weight(media: str) -> float:
        family = f"{media.partition('/')[0]}/*"
        named = (weights[each] for each in (media, family, "*/*") if each in weights)
        return next(named, 0.0)

    return weight("text/html") > max(weight("application/json"), weight("application/problem+json"))


def _weighed(part: str) -> tuple[str, float]:
    media, *parameters = [piece.strip() for piece in part.split(";")]
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media, float(parameter.removeprefix("q="))
            except ValueError:
                return media, 0.0
    return media, 1.0


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return answer_about(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    ours = "internal-error" if error.status_code >= _SERVER_ERROR else "malformed-request"
    slug = _BY_STATUS.get(error.status_code, ours)
    detail = error.detail if slug == "body-too-large" else None
    return answer_about(request, Problem(slug, detail, headers=error.headers))


async def _on_validation_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    for item in found:
        if item["type"] == "json_invalid":
            place = item["loc"][-1]
            return Problem(
                "malformed-request", f"The body isn't valid JSON: look at character {place}."
            ).response()
        if item["loc"] == ("body",) and isinstance(item.get("input"), bytes):
            # A body that wasn't even read as JSON, because of its Content-Type.
            return Problem("unsupported-media-type").response()
    # The names of unknown fields are the caller's: neither their number nor length comes back whole.
    errors = [
        {"field": ".".join(str(part) for part in item["loc"])[:100], "message": sentence_of(item)}
        for item in found[:_MOST_ERRORS]
    ]
    named = ", ".join(item["field"] for item in errors)
    return Problem("invalid-request", f"Invalid: {named}.", errors=errors).response()


def install_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem, the framework's own included."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong and what to do (RFC 9457); `type` leads to its explanation. "
    "Some types carry further members.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/invalid-request"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with errors described as they are answered: as problems, everywhere."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = dict(_SCHEMA)
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operations = [item for path in document["paths"].values() for item in path.values()]
    for operation in operations:
        answers = operation["responses"]
        if "422" in answers:
            answers["422"] = {
                "description": "Invalid values, named in `errors`.",
                "content": problem,
            }
        for answer in answers.values():
            shown = answer.get("content", {}).get("application/json", {})
            if shown.get("schema", {}).get("$ref", "").endswith("Problem"):
                answer["content"] = {MEDIA_TYPE: shown}
        other = answers.setdefault("default", {"description": "What went wrong."})
        other["content"] = {**other.get("content", {}), **problem}
    return document
