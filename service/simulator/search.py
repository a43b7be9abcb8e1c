"""Search by Stripe's query language (https://docs.stripe.com/search); what is new is found at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.simulator.operations import LARGEST_PAGE, Call, Operation, operation
from service.simulator.protocol.errors import invalid_parameter
from service.simulator.store import JSON, Condition

FieldType = Literal["flag", "numeric", "string", "token"]
_MOST_CLAUSES = 10
_SHORTEST_PART = 3
_OPERATORS: dict[FieldType, str] = {
    "flag": ":",
    "numeric": ": < <= > >=",
    "string": ": ~",
    "token": ":",
}
_CARD = "payment_method_details.card"

# Resource → its kind, and its fields (metadata apart) by type; a field is its path, or `field=path`.
_RESOURCES: dict[str, tuple[str, dict[FieldType, str]]] = {
    "charges": (
        "charge",
        {
            "flag": "disputed refunded",
            "numeric": "amount created",
            "token": "billing_details.address.postal_code currency customer status "
            + " ".join(f"{_CARD}.{n}" for n in ("brand", "exp_month", "exp_year"))
            + f" {_CARD}.fingerprint {_CARD}.last4",
        },
    ),
    "customers": ("customer", {"numeric": "created", "string": "email name phone"}),
    "invoices": (
        "invoice",
        {
            "numeric": "created total",
            "string": (
                "number receipt_number status subscription=parent.subscription_details.subscription"
            ),
            "token": (
                "currency customer last_finalization_error_code=last_finalization_error.code"
                " last_finalization_error_type=last_finalization_error.type"
            ),
        },
    ),
    "payment_intents": (
        "payment_intent",
        {"numeric": "amount created", "token": "currency customer status"},
    ),
    "prices": (
        "price",
        {"flag": "active", "string": "lookup_key product", "token": "currency type"},
    ),
    "products": ("product", {"flag": "active shippable", "string": "description name url"}),
    "subscriptions": ("subscription", {"numeric": "canceled_at created", "token": "status"}),
}
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_CLAUSE = re.compile(
    rf"(?P<negated>-?)(?P<field>[a-z_0-9.]+)(?:\[(?P<key>{_QUOTED})\])?"
    rf"(?P<operator>[<>]=?|[:~])(?P<value>{_QUOTED}|null|-?[0-9]+(?![^\s]))",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s+(?:(and|or)\s+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """One clause of a query. `key` is that of metadata, `value` None where it is `null`."""

    path: str
    type: FieldType
    operator: str
    value: str | None
    key: str | None = None
    negated: bool = False

    def sql(self) -> tuple[str, list[Any]]:
        """The clause as SQL over `objects` with its values."""
        found, values = f"json_extract(body, '$.{self.path}')", list[Any]()
        if self.key is not None:
            found = "(SELECT value FROM json_each(body, '$.metadata') WHERE key = ?)"
            values.append(self.key)
        matches = f"{found} IS NULL"
        if self.value is not None:
            matches = self._matches(found)
            values.append(self._bound(self.value))
        return (f"NOT coalesce({matches}, 0)" if self.negated else matches), values

    def _matches(self, found: str) -> str:
        """Tokens match as a whole, strings by all words in their order, `~` any part."""
        text = f"lower(CAST({found} AS TEXT))"
        if self.type == "numeric":
            return f"{found} {'=' if self.operator == ':' else self.operator} ?"
        if self.operator == "~":
            return f"instr({text}, lower(?)) > 0"
        if self.type == "string":
            return f"instr(' ' || {text} || ' ', ' ' || lower(?) || ' ') > 0"
        return f"{text} = lower(?)"

    def _bound(self, value: str) -> str | int:
        if self.type == "numeric":
            return int(value)
        if self.type == "flag":
            return {"true": "1", "false": "0"}.get(value.lower(), value)
        return value


@dataclass(frozen=True)
class AnyOf:
    """Clauses of which one is enough."""

    clauses: Sequence[Clause]

    def sql(self) -> tuple[str, list[Any]]:
        """The clauses as SQL over `objects` with their values."""
        parts = [clause.sql() for clause in self.clauses]
        return f"({' OR '.join(sql for sql, _ in parts)})", [v for _, vs in parts for v in vs]


def read_query(query: str, resource: str) -> list[Clause] | list[AnyOf]:
    """The conditions of a query, all of which are to hold.

    Raises:
        StripeError: 400, it is no query, or asks for what the resource's fields don't have.
    """
    clauses: list[Clause] = []
    words: set[str] = set()
    rest = query.strip()
    while True:
        match = _CLAUSE.match(rest)
        if match is None:
            raise invalid_parameter(
                "query",
                "We were unable to parse your search query. Try using the format "
                '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other '
                "fields.",
            )
        clauses.append(_clause(match, resource))
        rest = rest[match.end() :]
        if not rest:
            break
        between = _BETWEEN.match(rest)
        words.add((between[1] or "and").lower() if between else "")
        rest = rest[between.end() :] if between else f" {rest}"
    if len(words) > 1:
        raise invalid_parameter("query", "A search query can't combine AND with OR.")
    if len(clauses) > _MOST_CLAUSES:
        raise invalid_parameter(
            "query", f"A search query has at most {_MOST_CLAUSES} clauses, this one {len(clauses)}."
        )
    return [AnyOf(clauses)] if words == {"or"} else clauses


def _clause(match: re.Match[str], resource: str) -> Clause:
    field, operator, written = match["field"], match["operator"], match["value"]
    value = None if written.lower() == "null" else _unquoted(written)
    key = _unquoted(match["key"]) if match["key"] else None
    path, kind = _field(field, resource, key)
    if operator not in _OPERATORS[kind].split():
        raise invalid_parameter(
            "query", f"Field `{field}` of resource `{resource}` doesn't support `{operator}`."
        )
    if kind == "numeric" and value is not None and not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise invalid_parameter("query", f"Field `{field}` is numeric, {value} is no number.")
    if operator == "~" and len(value or "") < _SHORTEST_PART:
        raise invalid_parameter(
            "query", f"A part to search for with `~` has at least {_SHORTEST_PART} characters."
        )
    return Clause(path, kind, operator, value, key, bool(match["negated"]))


def _field(field: str, resource: str, key: str | None) -> tuple[str, FieldType]:
    """The field's path and type."""
    if field == "metadata" and key is not None:
        return field, "token"
    for kind, names in _RESOURCES[resource][1].items():
        for name in names.split():
            shown, _, path = name.partition("=")
            if shown == field and key is None:
                return path or shown, kind
    raise invalid_parameter(
        "query",
        f"Field `{field}` is an unsupported search field for resource `{resource}`. See "
        f"https://stripe.com/docs/search#query-fields-for-{resource.replace('_', '-')} for a list "
        "of supported fields.",
    )


def _unquoted(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1]) if written[0] in "\"'" else written


def _search(call: Call) -> JSON:
    """One page of what a query finds, newest first; `page` is where the one before ended."""
    store, params = call.world.store, call.params
    resource = call.path.split("/")[2]
    kind = _RESOURCES[resource][0]
    wanted = [Condition("deleted", "!=", True), *read_query(params.required("query"), resource)]
    limit = params.integer("limit")
    limit = 10 if limit is None else limit
    if not 1 <= limit <= LARGEST_PAGE:
        raise invalid_parameter("limit", "Invalid limit: must be between 1 and 100.")
    found = store.find(kind, wanted, limit=limit + 1, before=params.integer("page"))
    rows, has_more = found[:limit], len(found) > limit
    answer: JSON = {
        "object": "search_result",
        "data": rows,
        "has_more": has_more,
        "next_page": str(store.position(rows[-1]["id"])) if has_more else None,
        "url": call.path,
    }
    if "total_count" in params.texts("expand"):
        answer["total_count"] = len(store.find(kind, wanted))
    return answer


OPERATIONS: tuple[Operation, ...] = tuple(
    operation("GET", f"/v1/{resource}/search", _search, "limit page query")
    for resource in _RESOURCES
)
