"""Refusals in the shape of Stripe's API errors (https://docs.stripe.com/api/errors)."""

from typing import Any


class StripeError(Exception):
    """A refusal: `status` is the HTTP status, `body()` the JSON that goes with it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """`extra` holds fields that only some errors have, such as `charge`."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        """The answer's JSON: `{"error": {…}}`."""
        return {"error": self.details()}

    def details(self) -> dict[str, Any]:
        """The fields of Stripe's `api_errors` schema, without those that are empty."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.decline_code:
            error["decline_code"] = self.decline_code
        if self.param:
            error["param"] = self.param
        return {**error, **self.extra}


def missing_resource(noun: str, identifier: str, param: str = "id") -> StripeError:
    """The id names nothing: 404 where it is the address itself, 400 where it is a parameter."""
    return StripeError(
        404 if param == "id" else 400,
        f"No such {noun}: '{identifier}'",
        code="resource_missing",
        param=param,
    )


def missing_parameter(param: str) -> StripeError:
    """A required parameter was not sent."""
    return StripeError(
        400, f"Missing required param: {param}.", code="parameter_missing", param=param
    )


def invalid_parameter(param: str, message: str, code: str | None = None) -> StripeError:
    """A parameter was sent with a value that can't be used."""
    return StripeError(400, message, code=code, param=param)


def not_simulated(param: str, what: str) -> StripeError:
    """Stripe could do this, the local Stripe can't: say so rather than pretend."""
    return StripeError(400, f"The local Stripe does not simulate {what}.", param=param)
