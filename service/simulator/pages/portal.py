"""The billing portal's page: what its configuration offers, or the one thing its session is for."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from service.simulator.billing.subscriptions import period_of
from service.simulator.payments.card_numbers import PAYING_CARD
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.payments.payment_methods import payer
from service.simulator.portal.sessions import (
    cancel,
    change_card,
    change_details,
    change_number,
    features_of,
    history,
    live_subscriptions,
    numbers,
    owed_invoices,
    plans,
    resume,
    switch,
)
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON
from service.simulator.world import World

_CARD = ("card", "exp", "cvc")
_DETAILS = ("email", "name", "phone")
_CHANGES = ("switch", "number")
"""Buttons of a subscription whose payment may fail."""


class PortalPage:
    """One page for each portal session, at its `url`."""

    def __init__(
        self,
        world: World,
        guarded: Callable[[Callable[[], Response]], Response],
        page: Callable[..., HTMLResponse],
    ) -> None:
        """`guarded` shows refusals as a page, `page` renders a template with a status."""
        self._world = world
        self._guarded = guarded
        self._page = page

    def routes(self) -> list[Route]:
        """Where the pages live, below the local Stripe's root."""
        return [Route("/portal/{session}", self.portal, methods=["GET", "POST"])]

    async def portal(self, request: Request) -> Response:
        """The page and the forms it posts to itself."""
        form = await request.form() if request.method == "POST" else None
        return self._guarded(lambda: self._portal(request.path_params["session"], form))

    def _portal(self, identifier: str, form: FormData | None) -> Response:
        session = self._world.fetch("billing_portal.session", identifier)
        if form is None:
            return self._show(session, {}, error=None)
        entries = {key: str(value) for key, value in form.items()}
        error = self._act(session, entries)
        if error is not None:
            return self._show(session, entries, error)
        return RedirectResponse(self._onward(session), 303)

    def _act(self, session: JSON, entries: dict[str, str]) -> StripeError | None:
        """Do what a button says; a refusal that the page can show where it belongs is returned."""
        try:
            with self._world.transaction(about=session):
                _do(self._world, session, entries)
                self._finish(session)
        except StripeError as error:
            faulty_detail = entries.get("action") == "details" and error.param in _DETAILS
            if error.kind != "card_error" and not faulty_detail:
                raise
            return error
        return None

    def _finish(self, session: JSON) -> None:
        if session["flow"]:
            self._world.update(session, {"_sim": {**session["_sim"], "flow_done": True}})

    def _onward(self, session: JSON) -> str:
        redirect = session["flow"] and session["flow"]["after_completion"]["redirect"]
        address: str = redirect["return_url"] if redirect else session["url"]
        return address

    def _show(
        self, session: JSON, entries: dict[str, str], error: StripeError | None
    ) -> HTMLResponse:
        world = self._world
        customer = world.fetch("customer", session["customer"])
        subscriptions = self._subscriptions(session)
        every = live_subscriptions(world, session["customer"])
        owed = owed_invoices(world, session["customer"])
        features = self._features(session)
        action = entries.get("action")
        blank = {"card": PAYING_CARD, "exp": default_expiry(world.now), "cvc": "123"}
        blank |= {"price": "", "quantity": ""}
        known = {name: customer.get(name) or "" for name in _DETAILS}
        return self._page(
            "portal.html",
            status=error.status if error else 200,
            session=session,
            features=features,
            only=self._flow(session),
            message=self._message(session),
            subscriptions=[self._row(session, features, each) for each in subscriptions],
            has_subscriptions=bool(every),
            method=payer(world, every[0]) if every else None,
            owed=[_amount(invoice) for invoice in owed],
            invoices=history(world, session["customer"])
            if features["invoice_history"]["enabled"]
            else [],
            details=[
                name for name in _DETAILS if name in features["customer_update"]["allowed_updates"]
            ]
            if features["customer_update"]["enabled"] and not customer.get("deleted")
            else [],
            entries=blank | known | entries,
            error=error,
            faulty=self._faulty(action, error),
            refused=entries.get("subscription") if error and action in _CHANGES else None,
        )

    def _faulty(self, action: str | None, error: StripeError | None) -> str | None:
        if error is None or action in _CHANGES:
            return None
        if action == "details":
            return error.param
        return {"exp_year": "exp", "exp_month": "exp", "cvc": "cvc"}.get(error.param or "", "card")

    def _flow(self, session: JSON) -> str | None:
        """The one feature that the page shows, until it was used."""
        if session["flow"] is None or session["_sim"]["flow_done"]:
            return None
        kind: str = session["flow"]["type"]
        return kind

    def _message(self, session: JSON) -> str | None:
        if session["flow"] is None or not session["_sim"]["flow_done"]:
            return None
        confirmation = session["flow"]["after_completion"]["hosted_confirmation"]
        if confirmation is None:
            return None
        message: str = confirmation["custom_message"] or "This is done."
        return message

    def _features(self, session: JSON) -> JSON:
        """The features with those switched off that the session isn't for."""
        features, only = features_of(self._world, session), self._flow(session)
        if only is None:
            return features
        return {
            name: {**feature, "enabled": feature["enabled"] and name == only}
            for name, feature in features.items()
        }

    def _subscriptions(self, session: JSON) -> list[JSON]:
        found = live_subscriptions(self._world, session["customer"])
        only = self._flow(session)
        if only is None:
            return found
        subject = (session["flow"].get(only) or {}).get("subscription")
        return [each for each in found if each["id"] == subject]

    def _row(self, session: JSON, features: JSON, subscription: JSON) -> dict[str, Any]:
        world = self._world
        prices = [world.fetch("price", item["price"]) for item in subscription["items"]["data"]]
        others = plans(world, session, subscription)
        return {
            "id": subscription["id"],
            "status": subscription["status"].replace("_", " "),
            "names": [self._name(price) for price in prices],
            "prices": prices,
            "period_end": period_of(subscription)[1],
            "cancel_at": subscription["cancel_at"],
            "numbers": numbers(world, session, subscription)
            if features["subscription_update"]["enabled"]
            else None,
            "plans": [{**price, "name": self._name(price)} for price in others]
            if features["subscription_update"]["enabled"]
            else [],
        }

    def _name(self, price: JSON) -> str:
        product = self._world.fetch("product", price["product"])
        name: str = product.get("name", "A deleted product")
        return name


def _do(world: World, session: JSON, entries: dict[str, str]) -> None:
    """What the button named `action` does."""
    action, subscription = entries.get("action"), entries.get("subscription", "")
    if action == "card":
        change_card(world, session, CardEntry(*(entries.get(key, "") for key in _CARD)))
    elif action == "details":
        change_details(world, session, entries)
    elif action == "switch":
        switch(world, session, subscription, entries.get("price", ""))
    elif action == "number":
        change_number(world, session, subscription, entries.get("quantity", ""))
    elif action == "cancel":
        reason = entries.get("feedback", ""), entries.get("comment", "")
        cancel(world, session, subscription, *reason)
    elif action == "resume":
        resume(world, session, subscription)
    else:
        raise StripeError(400, "Choose one of the page's buttons.")


def _amount(invoice: JSON) -> tuple[int, str]:
    return invoice["amount_remaining"], invoice["currency"]
