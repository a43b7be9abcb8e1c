"""The pages a person can click through: Checkout, portal, and what this is."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from service.simulator.checkout.discounts import apply_promotion_code
from service.simulator.checkout.places import Place, asks_for_place, asks_for_tax_id
from service.simulator.checkout.purchase import (
    Buyer,
    authentication_address,
    is_free,
    pay,
    pending_buyer,
    success_address,
)
from service.simulator.pages.invoice import InvoicePage
from service.simulator.pages.portal import PortalPage
from service.simulator.payments.card_numbers import PAYING_CARD
from service.simulator.payments.cards import CardEntry, default_expiry
from service.simulator.payments.debits import PAYING_ACCOUNT
from service.simulator.protocol.errors import StripeError
from service.simulator.store import JSON
from service.simulator.world import World

_PAGES = Path(__file__).parent
_STYLE = (_PAGES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# No form-action: Chromium applies it to redirects, and paying redirects to the shop.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_FIELDS = {"card": ("card", "exp", "cvc"), "debit": ("account",), "nothing": ()}
_PLACE = ("country", "postal_code", "tax_id")
_FIELD_OF_PARAM = {
    **{name: name for name in _PLACE},
    "account": "account",
    "exp_year": "exp",
    "exp_month": "exp",
    "cvc": "cvc",
    "email": "email",
    "name": "name",
    "promotion_code": "promotion_code",
}
_RECENT = 50


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: `5.00 EUR`."""
    if currency in _ZERO_DECIMAL:
        return f"{amount} {currency.upper()}"
    return f"{amount / 100:.2f} {currency.upper()}"


def day(timestamp: int) -> str:
    """A date as people write it."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    return f"{moment.day} {moment:%B %Y}"


def rhythm(recurring: JSON) -> str:
    """`month`, or `3 months`."""
    count = recurring["interval_count"]
    return recurring["interval"] if count == 1 else f"{count} {recurring['interval']}s"


def _buyer(entries: dict[str, str], means: str, *, with_place: bool) -> Buyer:
    place = Place(*(entries[name] for name in _PLACE)) if with_place else None
    buyer = Buyer(entries["email"], entries["name"], place=place)
    if means == "debit":
        return replace(buyer, account=entries["account"])
    if means == "nothing":
        return buyer
    return replace(buyer, card=CardEntry(entries["card"], entries["exp"], entries["cvc"]))


def _faulty(error: StripeError | None) -> str | None:
    """The field of a form that an error is shown at."""
    return _FIELD_OF_PARAM.get(error.param or "", "card") if error else None


class Pages:
    """Renders and answers the hosted pages of one world."""

    def __init__(self, world: World) -> None:
        """Templates come from the `pages` folder beside this file."""
        self._world = world
        self._templates = Environment(
            loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined
        )
        self._templates.filters |= {"money": money, "day": day, "rhythm": rhythm}

    def routes(self) -> list[Route]:
        """Where the pages live, below the local Stripe's root."""
        return [
            Route("/", self.home),
            Route("/checkout/{session}", self.checkout, methods=["GET", "POST"]),
            Route("/checkout/{session}/authenticate", self.authenticate, methods=["GET", "POST"]),
            *PortalPage(self._world, self._guarded, self._page).routes(),
            *InvoicePage(self._world, self._guarded, self._page, _HEADERS).routes(),
        ]

    async def home(self, _: Request) -> Response:
        """What this is, with the newest sessions and events."""
        self._world.catch_up()
        find = self._world.store.find
        return self._page(
            "home.html",
            now=self._world.now,
            sessions=find("checkout.session", limit=_RECENT),
            events=find("event", limit=_RECENT),
        )

    async def checkout(self, request: Request) -> Response:
        """The hosted Checkout page and the form it posts to itself."""
        form = await request.form() if request.method == "POST" else None
        by_debit = request.query_params.get("method") == "bank_debit"
        return self._guarded(
            lambda: self._checkout(request.path_params["session"], form, by_debit=by_debit)
        )

    async def authenticate(self, request: Request) -> Response:
        """The page on which the card's holder answers the bank (3-D Secure)."""
        form = await request.form() if request.method == "POST" else None
        return self._guarded(lambda: self._authenticate(request.path_params["session"], form))

    def _guarded(self, show: Callable[[], Response]) -> Response:
        self._world.catch_up()
        try:
            return show()
        except StripeError as error:
            return self._page("refused.html", status=error.status, message=error.message)

    def _page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        body = self._templates.get_template(template).render(
            style=_STYLE, root=self._world.public_url, **values
        )
        return HTMLResponse(body, status, headers=_HEADERS)

    def _checkout(self, identifier: str, form: FormData | None, *, by_debit: bool) -> Response:
        session = self._world.fetch("checkout.session", identifier)
        if session["status"] != "open":
            return self._page("closed.html", session=session, onward=success_address(session))
        means = self._means(session, by_debit=by_debit)
        entries = self._blank(session)
        if form is not None and form.get("action") == "promotion":
            return self._promotion(session, str(form.get("promotion_code", "")), entries, means)
        if form is None:
            return self._form(session, entries, means, error=None)
        names = ("email", "name", *_FIELDS[means], *_PLACE)
        entries |= {key: str(form.get(key, "")) for key in names}
        buyer = _buyer(entries, means, with_place=asks_for_place(session))
        error = self._pay(session, buyer)
        if error is not None and error.code == "authentication_required":
            address = authentication_address(self._world, session)
            return RedirectResponse(address, 303, headers=_HEADERS)
        if error is not None:
            return self._form(session, entries, means, error)
        return RedirectResponse(success_address(session), 303, headers=_HEADERS)

    def _promotion(self, session: JSON, code: str, entries: dict[str, str], means: str) -> Response:
        try:
            with self._world.transaction(about=session):
                apply_promotion_code(self._world, session, code)
        except StripeError as error:
            if not session["allow_promotion_codes"]:  # the page has no field to show it at
                raise
            return self._form(session, entries | {"promotion_code": code}, means, error)
        return RedirectResponse(session["url"], 303, headers=_HEADERS)

    def _authenticate(self, identifier: str, form: FormData | None) -> Response:
        session = self._world.fetch("checkout.session", identifier)
        if session["status"] != "open":
            return self._page("closed.html", session=session, onward=success_address(session))
        buyer = pending_buyer(session, confirmed=form is not None and "confirm" in form)
        if buyer is None:
            return RedirectResponse(session["url"], 303, headers=_HEADERS)
        if form is None:
            return self._page("authenticate.html", session=session)
        error = self._pay(session, buyer)
        if error is not None:
            entries = self._blank(session) | {"email": buyer.email, "name": buyer.name}
            return self._form(session, entries, "card", error, action=session["url"])
        return RedirectResponse(success_address(session), 303, headers=_HEADERS)

    def _pay(self, session: JSON, buyer: Buyer) -> StripeError | None:
        try:
            with self._world.transaction(about=session):
                return pay(self._world, session, buyer)
        except StripeError as error:
            return error

    def _means(self, session: JSON, *, by_debit: bool) -> str:
        if is_free(session):
            return "nothing"
        return "debit" if by_debit and "sepa_debit" in session["payment_method_types"] else "card"

    def _blank(self, session: JSON) -> dict[str, str]:
        details = session["customer_details"] or {}
        return {
            "email": details.get("email") or "",
            "name": details.get("name") or "",
            "account": PAYING_ACCOUNT,
            "country": "DE",
            "postal_code": "",
            "tax_id": "",
            "promotion_code": "",
            **self._blank_card(),
        }

    def _blank_card(self) -> dict[str, str]:
        return {"card": PAYING_CARD, "exp": default_expiry(self._world.now), "cvc": "123"}

    def _form(
        self,
        session: JSON,
        entries: dict[str, str],
        means: str,
        error: StripeError | None,
        action: str = "",
    ) -> HTMLResponse:
        terms = session["_sim"]
        lines = [
            {**line, "price": self._world.fetch("price", line["price"])}
            for line in terms["line_items"]
        ]
        return self._page(
            "checkout.html",
            status=error.status if error else 200,
            session=session,
            lines=lines,
            trial_days=terms.get("trial_days"),
            trial_end=terms.get("trial_end"),
            means=means,
            asks_for_place=asks_for_place(session),
            asks_for_tax_id=asks_for_tax_id(session),
            action=action,
            entries=entries,
            error=error,
            faulty=_faulty(error),
        )
