"""Stripe's OpenAPI document as a judge of answers and events.

The document (its path is in `STRIPE_SPEC`) is OpenAPI 3.0; its schemas become JSON Schema here:
`nullable` turns into a type of its own, and objects take no property that the document doesn't
name. Fields that can be expanded hold an id unless the request asked for more, so each schema
exists twice: bare and expanded.
"""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012, Draft202012Validator, Registry

JSON = dict[str, Any]
_METHODS = ("get", "post", "delete")
_DEEPEST = 4  # levels of an expanded path
_PARAMETER = re.compile(r"\{[^}]+\}")

_SCHEMAS = "#/components/schemas/"
_PAGING = ("ending_before", "expand", "limit", "starting_after")
_SEARCHED = {
    "charges": "charge",
    "customers": "customer",
    "invoices": "invoice",
    "payment_intents": "payment_intent",
    "prices": "price",
    "products": "product",
    "subscriptions": "subscription",
}
_UNFILLED = {
    "/v1/accounts": "created",
    "/v1/credit_notes": "created customer customer_account invoice",
    "/v1/customers/{}/sources": "object",
    "/v1/customers/{}/tax_ids": "",
    "/v1/plans": "active created product",
    "/v1/radar/early_fraud_warnings": "charge created payment_intent",
    "/v1/tax_ids": "owner",
}
_ALSO_RETRIEVED = {
    "/v1/balance_transactions/{}": "balance_transaction",
    "/v1/payouts/{}": "payout",
    "/v1/accounts/{}": "account",
    "/v1/customers/{}/payment_methods/{}": "payment_method",
}


_ALSO_LISTED = {
    "/v1/balance_transactions": (
        "balance_transaction", "created currency payout source type"
    ),
    "/v1/payouts": ("payout", "arrival_date created destination status"),
}  # fmt: skip
_PAYOUT_EVENTS = ("created", "updated", "reconciliation_completed", "paid", "failed")
_TEXT: JSON = {"type": "string"}
_TEXT_OR_NOT: JSON = {"type": "string", "nullable": True}
_NUMBER: JSON = {"type": "integer"}


def _one_of(*options: str) -> JSON:
    return {"type": "string", "enum": list(options)}


def _reference_to(kind: str) -> JSON:
    options: list[JSON] = [_TEXT, {"$ref": f"#/components/schemas/{kind}"}]
    return {"anyOf": options, "nullable": True, "x-expansionResources": {"oneOf": options[1:]}}


_PAYOUT: JSON = {
    "amount": _NUMBER,
    "application_fee": _TEXT_OR_NOT,
    "application_fee_amount": {"type": "integer", "nullable": True},
    "arrival_date": _NUMBER,
    "automatic": {"type": "boolean"},
    "balance_transaction": _reference_to("balance_transaction"),
    "created": _NUMBER,
    "currency": _TEXT,
    "description": _TEXT_OR_NOT,
    "destination": _TEXT_OR_NOT,
    "failure_balance_transaction": _reference_to("balance_transaction"),
    "failure_code": _TEXT_OR_NOT,
    "failure_message": _TEXT_OR_NOT,
    "id": _TEXT,
    "livemode": {"type": "boolean"},
    "metadata": {"type": "object", "additionalProperties": _TEXT, "nullable": True},
    "method": _one_of("standard", "instant"),
    "object": _one_of("payout"),
    "original_payout": _TEXT_OR_NOT,
    "payout_method": _TEXT_OR_NOT,
    "reconciliation_status": _one_of("completed", "in_progress", "not_applicable"),
    "reversed_by": _TEXT_OR_NOT,
    "source_type": _TEXT,
    "statement_descriptor": _TEXT_OR_NOT,
    "status": _one_of("pending", "in_transit", "paid", "failed", "canceled"),
    "trace_id": {"type": "object", "additionalProperties": _TEXT, "nullable": True},
    "type": _one_of("bank_account", "card"),
}
"""The document lacks it: as https://docs.stripe.com/api/payouts/object and Stripe's SDK have it."""


@dataclass(frozen=True)
class Described:
    """An operation of the document: the parameters it takes, the schema of its 200."""

    template: str
    parameters: frozenset[str]
    answer: JSON


class StripeDocument:
    """Judges answers and events; a fault is a line that says where and why."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self.version: str = document["x-slice"]["target_version"]
        self.event_objects: dict[str, str] = document["x-slice"]["event_objects"]
        self._schemas = document["components"]["schemas"]
        self._schemas["payout"] = {
            "type": "object", "properties": _PAYOUT, "required": sorted(_PAYOUT),
            "x-expandableFields": ["balance_transaction", "failure_balance_transaction"],
        }  # fmt: skip
        self.event_objects |= {f"payout.{what}": "payout" for what in _PAYOUT_EVENTS}
        self._registry = Registry(
            [
                (f"urn:{flavour}", _schemas(document, expanded=flavour == "expanded"))
                for flavour in ("bare", "expanded")
            ],
            draft=Draft202012,
        )
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}
        self.operations: dict[tuple[str, str], Described] = {}
        for template, item in document["paths"].items():
            for method in _METHODS:
                if method in item:
                    key = (method.upper(), _PARAMETER.sub("{}", template))
                    self.operations[key] = _described(template, item[method])
        self.operations |= {("GET", entry.template): entry for entry in _beyond()}

    def described(self, method: str, template: str) -> Described | None:
        """The document's operation for a template of ours, whatever its parameters are called."""
        return self.operations.get((method, _PARAMETER.sub("{}", template)))

    def expandable(self, kind: str, within: str = "") -> Iterator[str]:
        """The paths that an object of `kind` can be asked to expand, those of its parts included."""
        for name in self._schemas.get(kind, {}).get("x-expandableFields", []):
            path = f"{within}{name}"
            yield path
            for part in _referred(self._schemas[kind]["properties"].get(name, {})):
                is_object = "object" in self._schemas[part].get("properties", {})
                if not is_object and path.count(".") < _DEEPEST - 1:
                    yield from self.expandable(part, f"{path}.")

    def faults_of_answer(
        self, method: str, template: str, status: int, body: Any, *, expanded: bool
    ) -> list[str]:
        """What is wrong with an answer to an operation; unknown operations are a fault too."""
        operation = self.described(method, template)
        if operation is None:
            return [f"{method} {template}: not in the document"]
        reference = {"$ref": "#/components/schemas/error"}
        schema = operation.answer if status == 200 else reference
        faults = self._faults(schema, body, expanded=expanded)
        if isinstance(body, dict):
            events = body.get("data") if body.get("object") == "list" else [body]
            for event in events or []:
                if isinstance(event, dict) and event.get("object") == "event":
                    faults += self.faults_of_event(event)
        return [f"{method} {template} ({status}) {fault}" for fault in faults]

    def faults_of_event(self, event: JSON) -> list[str]:
        """What is wrong with an event: its envelope, its object, what it says has changed."""
        kind = event["type"]
        faults = self._faults({"$ref": "#/components/schemas/event"}, event, expanded=False)
        if event.get("api_version") != self.version:
            faults.append(f"api_version is {event.get('api_version')}")
        if kind not in self.event_objects:
            return [f"{kind}: not an event of the document", *faults]
        name = self.event_objects[kind]
        subject = event["data"]["object"]
        if subject.get("object") != name:
            faults.append(f"data.object is a {subject.get('object')}, not a {name}")
        if kind == "invoice.upcoming":
            if "id" in subject:
                faults.append("an upcoming invoice has no id")
            subject = {**subject, "id": "none"}  # the schema is that of invoices that exist
        faults += self._faults({"$ref": f"#/components/schemas/{name}"}, subject, expanded=False)
        known = self._schemas[name]["properties"]
        previous = event["data"].get("previous_attributes", {})
        faults += [f"previous_attributes.{key} is unknown" for key in previous if key not in known]
        return [f"{kind}: {fault}" for fault in faults]

    def _faults(self, schema: JSON, body: Any, *, expanded: bool) -> list[str]:
        flavour = "expanded" if expanded else "bare"
        key = (json.dumps(schema, sort_keys=True), flavour)
        if key not in self._validators:
            converted = _rebased(_converted(schema, expanded=expanded), f"urn:{flavour}")
            self._validators[key] = Draft202012Validator(converted, registry=self._registry)
        found = self._validators[key].iter_errors(body)
        return [f"at {error.instance_path}: {error.message[:300]}" for error in found]


@cache
def stripe_document(path: str) -> StripeDocument:
    """The document, read once a process."""
    return StripeDocument(Path(path))


def _referred(schema: JSON) -> list[str]:
    """The schemas that a property's value may have."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    options = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return [name for option in options for name in _referred(option)]


def _described(template: str, item: JSON) -> Described:
    names = set(item.get("query", {})) | set(item.get("body", {}).get("properties", {}))
    return Described(template, frozenset(names), item["responses"]["200"]["schema"])


def _beyond() -> Iterator[Described]:
    """Operations of Stripe's that the cut document leaves out; parameters as its SDK has them."""
    for resource, kind in _SEARCHED.items():
        found = _listing({"$ref": f"{_SCHEMAS}{kind}"}, "search_result")
        found["properties"] |= {
            "next_page": {"type": "string", "nullable": True},
            "total_count": {"type": "integer"},
        }
        parameters = frozenset({"expand", "limit", "page", "query"})
        yield Described(f"/v1/{resource}/search", parameters, found)
    for template, names in _UNFILLED.items():
        parameters = frozenset({*names.split(), *_PAGING})
        yield Described(template, parameters, _listing({"enum": []}, "list"))
    for template, (kind, names) in _ALSO_LISTED.items():
        parameters = frozenset({*names.split(), *_PAGING})
        yield Described(template, parameters, _listing({"$ref": f"{_SCHEMAS}{kind}"}, "list"))
    for template, kind in _ALSO_RETRIEVED.items():
        yield Described(template, frozenset({"expand"}), {"$ref": f"{_SCHEMAS}{kind}"})


def _listing(entry: JSON, kind: str) -> JSON:
    properties = {
        "data": {"items": entry, "type": "array"},
        "has_more": {"type": "boolean"},
        "object": {"enum": [kind], "type": "string"},
        "url": {"type": "string"},
    }
    return {"properties": properties, "required": sorted(properties), "type": "object"}


def _schemas(document: JSON, *, expanded: bool) -> JSON:
    schemas = {
        name: _converted(schema, expanded=expanded)
        for name, schema in document["components"]["schemas"].items()
    }
    return {"components": {"schemas": schemas}}


def _rebased(schema: Any, base: str) -> Any:
    """The schema with its local references pointing into `base`."""
    if isinstance(schema, list):
        return [_rebased(entry, base) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: base + value if key == "$ref" else _rebased(value, base)
        for key, value in schema.items()
    }


def _converted(schema: JSON, *, expanded: bool) -> JSON:
    """JSON Schema for a schema of OpenAPI 3.0 with Stripe's extensions."""
    made = {key: value for key, value in copy.copy(schema).items() if not key.startswith("x-")}
    nullable = made.pop("nullable", False)
    made.pop("format", None)
    if "properties" in made:
        made["properties"] = {
            name: _converted(value, expanded=expanded) for name, value in made["properties"].items()
        }
        made.setdefault("additionalProperties", "x-cut" in schema)
    if isinstance(made.get("items"), dict):
        made["items"] = _converted(made["items"], expanded=expanded)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _converted(made["additionalProperties"], expanded=expanded)
    if "anyOf" in made:
        options = made["anyOf"]
        if "x-expansionResources" in schema and not expanded:
            options = [option for option in options if "$ref" not in option]
        made["anyOf"] = [_converted(option, expanded=expanded) for option in options]
    return {"anyOf": [made, {"type": "null"}]} if nullable else made
