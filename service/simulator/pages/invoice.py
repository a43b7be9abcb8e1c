"""The hosted invoice page: its reader pays an open invoice, or confirms a charge to their card."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from service.simulator.billing.collection import PAYABLE, attempt, authenticate
from service.simulator.billing.invoice_payments import payment_of
from service.simulator.payments.card_numbers import PAYING_CARD
from service.simulator.payments.cards import CardEntry, default_expiry, read_card
from service.simulator.payments.payment_methods import attach_method, new_card_method
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON
from service.simulator.world import World

_FIELDS = ("card", "exp", "cvc")


class InvoicePage:
    """One page for each finalised invoice, at its `hosted_invoice_url`."""

    def __init__(
        self,
        world: World,
        guarded: Callable[[Callable[[], Response]], Response],
        page: Callable[..., HTMLResponse],
        headers: Mapping[str, str],
    ) -> None:
        """`guarded` shows refusals as a page, `page` renders a template; all have `headers`."""
        self._world = world
        self._guarded = guarded
        self._page = page
        self._headers = headers

    def routes(self) -> list[Route]:
        """Where the pages live, below the local Stripe's root."""
        return [Route("/invoice/{invoice}", self.invoice, methods=["GET", "POST"])]

    async def invoice(self, request: Request) -> Response:
        """The page and the forms it posts to itself."""
        form = await request.form() if request.method == "POST" else None
        return self._guarded(lambda: self._invoice(request.path_params["invoice"], form))

    def _invoice(self, identifier: str, form: FormData | None) -> Response:
        invoice = self._world.fetch("invoice", identifier)
        if invoice.get("deleted") or invoice["status"] == "draft":
            raise StripeError(404, "There is no such invoice to look at, or it isn't final yet.")
        entries = {"card": PAYING_CARD, "exp": default_expiry(self._world.now), "cvc": "123"}
        if form is None:
            return self._show(invoice, entries, None)
        entries |= {key: str(form.get(key, "")) for key in _FIELDS}
        error = self._act(invoice, str(form.get("action", "")), entries)
        if error is not None:
            return self._show(self._world.fetch("invoice", identifier), entries, error)
        return RedirectResponse(invoice["hosted_invoice_url"], 303, headers=self._headers)

    def _act(self, invoice: JSON, action: str, entries: dict[str, str]) -> StripeError | None:
        world = self._world
        if invoice["status"] not in PAYABLE:
            raise StripeError(400, f"This invoice is {invoice['status']}: nothing is left to pay.")
        try:
            with world.transaction(about=invoice):
                if action == "confirm":
                    refusal = authenticate(world, invoice)
                else:
                    refusal = attempt(
                        world, invoice, self._new_method(invoice, entries), authenticated=True
                    )
        except StripeError as error:
            if error.kind != "card_error":
                raise
            return error
        return refusal.error() if refusal else None

    def _new_method(self, invoice: JSON, entries: dict[str, str]) -> JSON:
        """The card that was typed, which becomes the customer's.

        Raises:
            StripeError: 402 card_error, it makes no sense, or its bank refuses it at once.
        """
        world = self._world
        read = read_card(CardEntry(*(entries[key] for key in _FIELDS)), world.now)
        if read.card.on_attach is not None:
            raise read.card.on_attach.error()
        method = new_card_method(
            world, read, email=invoice["customer_email"], name=invoice["customer_name"]
        )
        attach_method(world, method, invoice["customer"])
        return method

    def _show(
        self, invoice: JSON, entries: dict[str, str], error: StripeError | None
    ) -> HTMLResponse:
        payment = payment_of(self._world, invoice)
        intent: dict[str, Any] = {}
        if payment is not None:
            intent = self._world.fetch("payment_intent", payment["payment"]["payment_intent"])
        return self._page(
            "invoice.html",
            status=error.status if error else 200,
            invoice=invoice,
            payable=invoice["status"] in PAYABLE and intent.get("status") != "processing",
            waits=intent.get("status") == "requires_action",
            entries=entries,
            error=error,
            faulty="card" if error else None,
        )
