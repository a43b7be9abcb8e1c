"""What an endpoint of the API is: an address, the parameters it knows, and what it does."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from service.simulator.protocol.errors import StripeError, invalid_parameter, missing_resource
from service.simulator.protocol.forms import Params
from service.simulator.protocol.views import list_object
from service.simulator.store import JSON, Condition
from service.simulator.world import World


@dataclass(frozen=True)
class Call:
    """One request to the API: the ids in its address and its parameters."""

    world: World
    path: str
    ids: dict[str, str]
    params: Params


Handler = Callable[[Call], JSON | StripeError]


@dataclass(frozen=True)
class Operation:
    """An endpoint. `template` is written as in Stripe's OpenAPI document.

    `handle` raises a StripeError to undo what it did, and returns one to refuse and yet keep it.
    """

    method: str
    template: str
    handle: Handler
    params: frozenset[str] = frozenset()
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        object.__setattr__(self, "pattern", re.compile(f"^{expression}$"))


def operation(method: str, template: str, handle: Handler, params: str = "") -> Operation:
    """An operation that knows the parameters named in `params` (and `expand`)."""
    return Operation(method, template, handle, frozenset({*params.split(), "expand"}))


def listing(template: str, handle: Handler, params: str = "") -> Operation:
    """A list operation: GET with paging parameters."""
    return operation("GET", template, handle, f"{params} limit starting_after ending_before")


LARGEST_PAGE = 100
_RANGES = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def created_range(params: Params, key: str = "created") -> list[Condition]:
    """The conditions of `created=…` or `created[gte]=…`."""
    if not params.sent(key):
        return []
    if isinstance(params.values[key], str):
        return [Condition(key, "=", params.integer(key))]
    bounds = params.group(key)
    bounds.refuse_unknown(frozenset(_RANGES))
    return [Condition(key, _RANGES[bound], bounds.integer(bound)) for bound in bounds]


def equalities(params: Params, fields: dict[str, str] | Iterable[str]) -> list[Condition]:
    """A condition for each parameter of `fields` (parameter → document path) that was sent."""
    paths = fields if isinstance(fields, dict) else {name: name for name in fields}
    found = []
    for name, path in paths.items():
        value = params.text(name)
        if value is not None:
            typed = {"true": True, "false": False}.get(value, value)
            found.append(Condition(path, "=", typed))
    return found


def page(call: Call, kind: str, conditions: list[Condition]) -> JSON:
    """One page of a kind's documents, newest first (https://docs.stripe.com/api/pagination).

    Raises:
        StripeError: 400, `limit` outside 1–100, or a cursor that names nothing.
    """
    store = call.world.store
    limit, after, before = _bounds(call.params)
    if before:
        found = store.find(
            kind,
            conditions,
            limit=limit + 1,
            after=_cursor(call, kind, before, "ending_before"),
            oldest_first=True,
        )
        rows = found[:limit][::-1]
    else:
        position = _cursor(call, kind, after, "starting_after") if after else None
        found = store.find(kind, conditions, limit=limit + 1, before=position)
        rows = found[:limit]
    return list_object(call.path, rows, has_more=len(found) > limit)


def page_of_rows(call: Call, rows: list[JSON]) -> JSON:
    """One page of what a document holds itself, such as its items, in their own order.

    Raises:
        StripeError: 400, as `page`.
    """
    limit, after, before = _bounds(call.params)
    if after:
        rows = rows[_index(rows, after, "starting_after") + 1 :]
    if before:
        rows = rows[: _index(rows, before, "ending_before")]
    shown = rows[-limit:] if before else rows[:limit]
    return list_object(call.path, shown, has_more=len(rows) > limit)


def _bounds(params: Params) -> tuple[int, str | None, str | None]:
    """`limit`, `starting_after` and `ending_before`."""
    limit = params.integer("limit")
    limit = 10 if limit is None else limit
    if not 1 <= limit <= LARGEST_PAGE:
        raise invalid_parameter("limit", "Invalid limit: must be between 1 and 100.")
    after, before = params.text("starting_after"), params.text("ending_before")
    if after and before:
        raise invalid_parameter(
            "starting_after", "Send either starting_after or ending_before, not both."
        )
    return limit, after, before


def _index(rows: list[JSON], identifier: str, param: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == identifier:
            return index
    raise missing_resource("object", identifier, param)


def _cursor(call: Call, kind: str, identifier: str, param: str) -> int:
    call.world.fetch(kind, identifier, param=param)
    position = call.world.store.position(identifier)
    return position if position is not None else 0
