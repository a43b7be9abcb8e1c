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

from service.wrong_values import field_of, sentence_of, told_of

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
    "not-found": ProblemType(404, "Not found", "Check the address."),
    "method-not-allowed": ProblemType(
        405, "This method isn't allowed here", "Use one of the methods in the Allow header."
    ),
    "body-too-large": ProblemType(
        413, "The body is too large", "Send less. The detail names the limit."
    ),
    "unsupported-media-type": ProblemType(
        415, "The body has the wrong type", "Send JSON with Content-Type: application/json."
    ),
    "invalid-request": ProblemType(422, "Invalid request", "Correct the fields named in `errors`."),
    "changed-meanwhile": ProblemType(
        412,
        "Changed by somebody else",
        "Fetch it again and repeat your change with its new ETag.",
    ),
    "too-many-requests": ProblemType(
        429, "Too many requests", "Try again after the seconds in Retry-After."
    ),
    "internal-error": ProblemType(
        500,
        "Something went wrong",
        "Try again later. If it keeps happening, send the operator the request id of the answer.",
    ),
    "database-unavailable": ProblemType(
        503, "The database can't be reached", "Try again after the seconds in Retry-After."
    ),
    "takes-too-long": ProblemType(
        503, "The request takes too long", "Request less at once. The detail says how."
    ),
    # who asks
    "unauthenticated": ProblemType(
        401, "Authentication required", "Send a valid session, token or API key."
    ),
    "invalid-token": ProblemType(
        401, "Invalid token", "Fetch a new token. Tokens expire after a few minutes."
    ),
    "insufficient-scope": ProblemType(
        403,
        "Insufficient token scope",
        "Send the session's cookie, or from an app a token of scope `account`.",
    ),
    "sign-in-again": ProblemType(
        403,
        "Sign in again",
        "This needs a sign-in within the last 15 minutes. Request a new e-mail, confirm it, and repeat the request.",
    ),
    "forbidden": ProblemType(
        403,
        "You don't have permission",
        "Ask an administrator for the permission that the detail names.",
    ),
    "foreign-origin": ProblemType(
        403,
        "Origin not allowed",
        "Add the site's origin to PAYWALL_ALLOWED_ORIGINS.",
    ),
    "invalid-form": ProblemType(
        403, "The form has expired", "Reload the page and send the form again."
    ),
    # the staff's accounts
    "operator-exists": ProblemType(
        409, "This operator already exists", "Change the existing account."
    ),
    "last-administrator": ProblemType(
        409,
        "The last administrator can't be removed",
        "Make somebody else an administrator first.",
    ),
    "customer-bound": ProblemType(
        409, "The Stripe customer belongs to another reader", "Check that reader first."
    ),
    # signing in
    "sign-in-is-off": ProblemType(
        503, "Sign-in is off", "The operator has to set PAYWALL_MAIL_FROM."
    ),
    "invalid-email": ProblemType(
        422, "Invalid e-mail address", "Enter an address such as reader@example.org."
    ),
    "address-taken": ProblemType(
        409,
        "This address already has an account",
        "Sign in with it, or choose another address.",
    ),
    "sign-in-refused": ProblemType(
        403,
        "Invalid or expired link or code",
        "Request a new e-mail. Links and codes work once, within ten minutes, the code only in the "
        "browser that requested it.",
    ),
    "address-unconfirmed": ProblemType(
        403, "The address isn't confirmed yet", "Request a sign-in e-mail and confirm it first."
    ),
    "subscription-runs": ProblemType(
        409,
        "There is an active subscription",
        "Send `cancel_subscription: true` to end it with the account, or cancel it in the portal.",
    ),
    # content and access
    "article-not-found": ProblemType(
        404, "Article not found", "Check the slug; it may have been withdrawn."
    ),
    "not-a-canary": ProblemType(
        409,
        "This article wasn't created by a leak check",
        "Withdraw it by DELETE /v1/admin/articles/{slug}.",
    ),
    "article-changed": ProblemType(
        412, "The article has changed", "Fetch it again and repeat with its new ETag."
    ),
    "crawler-refused": ProblemType(
        403,
        "Crawler not allowed",
        "See /robots.txt for what it may fetch.",
    ),
    "license-required": ProblemType(
        402, "Licence required", "Follow the link with rel=license to the terms."
    ),
    "rules-changed": ProblemType(
        412,
        "Somebody else has changed the rules",
        "Fetch them again and repeat your change with their new ETag.",
    ),
    "rules-unreadable": ProblemType(
        409, "A later release wrote these rules", "Use that release to read and change them."
    ),
    "experiment-begun": ProblemType(
        409,
        "The experiment has already started",
        "It can only be stopped. Create another one with another name.",
    ),
    "experiment-not-running": ProblemType(
        409,
        "The experiment isn't running",
        "Only a running experiment can be stopped. Check its state.",
    ),
    "another-experiment": ProblemType(
        409,
        "Another experiment is running",
        "Wait until it ends, or stop it. Only one can run at a time.",
    ),
    "experiment-relies-on-them": ProblemType(
        409,
        "A running experiment depends on this",
        "Stop the experiment first, or wait until it ends.",
    ),
    "right-not-found": ProblemType(
        404,
        "Subscription not found",
        "Check the number and the postcode on your bill or label, or contact us.",
    ),
    "walled": ProblemType(
        402, "The article is behind the paywall", "Show the wall: its text, offers and actions."
    ),
    "article-not-covered": ProblemType(
        403, "The token doesn't cover this article", "Unlock the article to get a token for it."
    ),
    "gift-refused": ProblemType(
        403, "This article can't be gifted", "See the detail and `reason`."
    ),
    "no-seats": ProblemType(
        409,
        "No seats available",
        "See the detail. Seats are bought with the subscription.",
    ),
    "seat-closed": ProblemType(
        409, "This seat isn't available", "Ask the owner of the subscription for another one."
    ),
    "holds-a-seat": ProblemType(
        409,
        "The reader already has a seat",
        "It includes what this offer does. Leave the seat in your account first, then subscribe.",
    ),
    "has-access": ProblemType(
        409,
        "The reader already has access",
        "`source` says through what, `until` for how long. Ask the reader, and send `despite_access` if they want to buy anyway.",
    ),
    "gift-closed": ProblemType(
        409, "This gift can't be redeemed", "See the detail for the reason."
    ),
    "not-a-read": ProblemType(
        403,
        "Prefetch requests can't unlock articles",
        "Unlock the article when the reader opens it.",
    ),
    # selling
    "offer-not-found": ProblemType(
        404, "Offer not found", "Choose one from GET /v1/offers. This one may be archived."
    ),
    "not-a-former-subscriber": ProblemType(
        403,
        "This offer is for former subscribers",
        "Choose one from GET /v1/offers, or sign in with the address that had the subscription.",
    ),
    "offer-changed": ProblemType(
        412, "The offer has changed", "Fetch it again and repeat with its new ETag."
    ),
    "invalid-return-address": ProblemType(
        422,
        "Return address not allowed",
        "Use a path on the site, or an address on an allowed origin.",
    ),
    "already-subscribed": ProblemType(
        409,
        "Already subscribed",
        "Manage it in the portal (`portal`), for example to switch plans.",
    ),
    "checkout-not-found": ProblemType(
        404, "Checkout not found", "Start a new checkout from the offer."
    ),
    "checkout-not-paid": ProblemType(
        409,
        "The checkout isn't paid yet",
        "Complete the payment at `url`, or start a new checkout.",
    ),
    "payment-processing": ProblemType(
        409,
        "The payment is being processed",
        "This can take a few days. Check again later. There is no need to pay again.",
    ),
    "payment-failed": ProblemType(
        409, "The bank has declined the payment", "Nothing was charged. Start a new checkout."
    ),
    "checkout-expired": ProblemType(
        410, "The checkout has expired", "Nothing was charged. Start a new one."
    ),
    "claim-refused": ProblemType(
        403,
        "This browser didn't start the checkout",
        "Continue in the browser where the purchase was started.",
    ),
    "no-subscription": ProblemType(
        409, "There is nothing to manage yet", "Subscribe first to use the portal."
    ),
    "selling-is-off": ProblemType(
        503, "Selling is off", "The operator has to set PAYWALL_STRIPE_SECRET_KEY."
    ),
    "stripe-unavailable": ProblemType(
        503, "Stripe isn't responding", "Nothing was charged. Try again after Retry-After seconds."
    ),
    "purchase-refused": ProblemType(
        502,
        "Stripe has refused this purchase",
        "Choose another offer, and send the operator the request id of the answer.",
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
        {"field": field_of(item)[:100], "message": sentence_of(item)}
        for item in told_of(found)[:_MOST_ERRORS]
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
