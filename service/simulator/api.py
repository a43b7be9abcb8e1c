"""The API's front door: keys, versions, idempotency, errors (https://docs.stripe.com/api)."""

import base64
import binascii
import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from service.simulator import account, empty_lists, search
from service.simulator.billing import (
    changes,
    collection,
    customer_deletion,
    cycle,
    drafts,
    ending,
    intents,
    invoice_items,
    invoice_payments,
    invoices,
    item_changes,
    preview,
    resuming,
    subscriptions,
    test_clocks,
)
from service.simulator.catalogue import coupons, products, promotion_codes
from service.simulator.checkout import sessions as checkout_sessions
from service.simulator.events import endpoints, recent
from service.simulator.operations import Call, Operation
from service.simulator.payments import (
    balance,
    charges,
    customer_creation,
    customers,
    disputes,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
)
from service.simulator.periods import DAY
from service.simulator.portal import configurations
from service.simulator.portal import sessions as portal_sessions
from service.simulator.protocol.errors import StripeError
from service.simulator.protocol.expand import expanded
from service.simulator.protocol.forms import Params, decode
from service.simulator.world import API_VERSION, Cause, World

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for module in (
        search,  # first: else `search` would be taken for an id
        account,
        empty_lists,
        products,
        coupons,
        promotion_codes,
        customers,
        customer_creation,
        customer_deletion,
        payment_methods,
        setup_intents,
        checkout_sessions,
        subscriptions,
        cycle,
        changes,
        item_changes,
        ending,
        resuming,
        preview,
        invoice_payments,
        invoices,
        drafts,
        invoice_items,
        collection,
        charges,
        intents,
        refunds,
        disputes,
        balance,
        payouts,
        test_clocks,
        portal_sessions,
        configurations,
        recent,
        endpoints,
    )
    for operation in module.OPERATIONS
)

_LONGEST_KEY = 255


@dataclass(frozen=True)
class ApiRequest:
    """What came in. `encoded` is the body of a POST, the query of the others."""

    method: str
    path: str
    encoded: str
    authorization: str
    version: str | None
    idempotency_key: str | None


@dataclass(frozen=True)
class ApiAnswer:
    """What goes out."""

    status: int
    body: str
    headers: dict[str, str]


def answer(world: World, request: ApiRequest) -> ApiAnswer:
    """Serve one request; what it did is committed when this returns."""
    request_id = world.new_id("req", 14)
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    key = request.idempotency_key if request.method == "POST" else None
    if key:
        headers["Idempotency-Key"] = key
    try:
        _admit(request)
        world.catch_up()
        earlier = _earlier_answer(world, request, key) if key else None
        if earlier is not None:
            headers |= {"Idempotent-Replayed": "true", "Original-Request": earlier.request_id}
            return ApiAnswer(earlier.status, earlier.body, headers)
        with world.transaction(Cause(request_id, request.idempotency_key)):
            status, body = _perform(world, request)
            if key:
                _remember(world, request, key, _Earlier(status, body, request_id))
    except StripeError as error:
        status, body = error.status, json.dumps(error.body())
    return ApiAnswer(status, body, headers)


def _admit(request: ApiRequest) -> None:
    """Check the key and the version. Any test key will do; a live one has no place here."""
    scheme, _, credentials = request.authorization.partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key:
        raise StripeError(
            401,
            "You did not provide an API key. Send `Authorization: Bearer sk_test_…`; the local "
            "Stripe takes any key that begins like that.",
        )
    if key.startswith(("sk_live_", "rk_live_")):
        raise StripeError(
            401, "This is a live key. The local Stripe is a simulation: use a key like sk_test_…"
        )
    if not key.startswith(("sk_test_", "rk_test_")):
        raise StripeError(401, "Invalid API Key provided: it must begin with sk_test_ or rk_test_.")
    if len(request.idempotency_key or "") > _LONGEST_KEY:
        raise StripeError(400, f"An idempotency key has at most {_LONGEST_KEY} characters.")
    if request.version not in (None, API_VERSION):
        raise StripeError(
            400,
            f"The local Stripe speaks API version {API_VERSION} only, not {request.version}.",
        )


def _perform(world: World, request: ApiRequest) -> tuple[int, str]:
    operation, ids = _find(request)
    params = Params(decode(request.encoded))
    params.refuse_unknown(operation.params)
    paths = params.texts("expand")
    call = Call(world, request.path, ids, params)
    with world.under_clock(test_clocks.ruling_clock(call)):
        result = operation.handle(call)
    if isinstance(result, StripeError):
        return result.status, json.dumps(result.body())
    return 200, json.dumps(expanded(world.store, result, paths))


# What Stripe could do at an address of this form; everything else unknown is refused by address.
_LEFT_OUT = {
    ("POST", "/v1/charges"): "charges without a payment intent",
}


def _find(request: ApiRequest) -> tuple[Operation, dict[str, str]]:
    left_out = _LEFT_OUT.get((request.method, request.path))
    if left_out is not None:
        raise StripeError(404, f"The local Stripe does not simulate {left_out}.")
    for operation in OPERATIONS:
        match = operation.pattern.match(request.path)
        if match and operation.method == request.method:
            return operation, match.groupdict()
    raise StripeError(
        404,
        f"Unrecognized request URL ({request.method}: {request.path}), or one that the local "
        "Stripe does not simulate.",
    )


@dataclass(frozen=True)
class _Earlier:
    status: int
    body: str
    request_id: str


def _fingerprint(request: ApiRequest) -> str:
    return json.dumps(
        [request.method, request.path, sorted(parse_qsl(request.encoded, keep_blank_values=True))]
    )


def _earlier_answer(world: World, request: ApiRequest, key: str) -> _Earlier | None:
    """The answer already given under this key (https://docs.stripe.com/api/idempotent_requests).

    Raises:
        StripeError: 400 idempotency_error, the key was used for something else.
    """
    row = world.store.connection.execute(
        "SELECT request, status, body, request_id FROM answers WHERE key = ? AND created > ?",
        (key, world.now - DAY),
    ).fetchone()
    if row is None:
        return None
    if row[0] != _fingerprint(request):
        raise StripeError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were "
            "first used with. Try using a key other than "
            f"'{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    return _Earlier(row[1], row[2], row[3])


def _remember(world: World, request: ApiRequest, key: str, given: _Earlier) -> None:
    """Keep an answer for a day. Requests refused as malformed never get here, as at Stripe."""
    world.store.connection.execute("DELETE FROM answers WHERE created <= ?", (world.now - DAY,))
    world.store.connection.execute(
        "INSERT OR REPLACE INTO answers (key, created, request, status, body, request_id)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key, world.now, _fingerprint(request), given.status, given.body, given.request_id),
    )
