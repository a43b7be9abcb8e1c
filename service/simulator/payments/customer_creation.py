"""New customers, with a payment method at once where one is sent."""

from service.simulator.operations import Call, operation
from service.simulator.payments.customers import (
    FIELDS,
    customer_document,
    read_invoice_settings,
)
from service.simulator.payments.payment_methods import attach_to, chosen_method
from service.simulator.protocol.errors import invalid_parameter
from service.simulator.store import JSON, Condition
from service.simulator.world import World

_PER_CLOCK = 3


def _create(call: Call) -> JSON:
    world, params = call.world, call.params
    if world.clock is not None:
        _refuse_crowd(world, world.clock)
    customer = customer_document(
        world, params, params.text("email"), params.text("name"), params.metadata()
    )
    settings = params.group("invoice_settings")
    identifier = params.text("payment_method")
    if identifier is not None:
        method = chosen_method(world, identifier, "payment_method")
        attach_to(world, method, customer["id"])
        if settings.text("default_payment_method") == identifier:  # a name such as pm_card_visa
            settings.values["default_payment_method"] = method["id"]
    customer["invoice_settings"] |= read_invoice_settings(world, params, customer)
    return world.create(customer, "customer.created")


def _refuse_crowd(world: World, clock: str) -> None:
    if len(world.store.find("customer", [Condition("test_clock", "=", clock)])) >= _PER_CLOCK:
        raise invalid_parameter(
            "test_clock", f"A test clock has at most {_PER_CLOCK} customers; create another one."
        )


OPERATIONS = (operation("POST", "/v1/customers", _create, f"{FIELDS} payment_method test_clock"),)
