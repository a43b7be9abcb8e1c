"""Asking Stripe for money as it has it: single objects, and all of a kind."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.payments import stripe_booked
from service.payments.books import BalanceEntry, Booked, BookedKind, BookedPayout
from service.payments.gateway import GatewayRefused
from service.payments.stripe_connection import StripeConnection

_EXPANDED: Mapping[BookedKind, tuple[str, ...]] = {
    "invoice": ("payments",),
    "charge": ("balance_transaction", "failure_balance_transaction"),
    "refund": ("balance_transaction", "failure_balance_transaction"),
    "dispute": (),
    "balance": (),
    "payout": (),
}
_READ: Mapping[BookedKind, Callable[[Mapping[str, Any]], Booked | None]] = {
    "invoice": stripe_booked.invoice_of,
    "charge": stripe_booked.charge_of,
    "refund": stripe_booked.refund_of,
    "dispute": stripe_booked.dispute_of,
    "balance": stripe_booked.entry_of,
    "payout": stripe_booked.payout_of,
}


class StripeBooks(StripeConnection):
    """Implements `BooksGateway`."""

    async def booked(self, kind: BookedKind, object_id: str) -> Booked | None:
        params: Any = {"expand": list(_EXPANDED[kind])} if _EXPANDED[kind] else {}
        try:
            found = _READ[kind](await self._ask(self._retrieve(kind)(object_id, params)))
        except GatewayRefused as error:
            if error.is_missing:
                return None
            raise
        return await self._with_parts(found) if isinstance(found, BookedPayout) else found

    async def booked_since(
        self, kind: BookedKind, since: datetime | None, until: datetime | None = None
    ) -> AsyncIterator[Booked]:
        asked: dict[str, Any] = {}
        if _EXPANDED[kind]:
            asked["expand"] = [f"data.{name}" for name in _EXPANDED[kind]]
        if since is not None:
            asked["created"] = {"gte": int(since.timestamp())}
        if until is not None:
            asked.setdefault("created", {})["lte"] = int(until.timestamp())
        async for document in self._pages(self._list(kind), asked):
            found = _READ[kind](document)
            if isinstance(found, BookedPayout):
                found = await self._with_parts(found)
            if found is not None:
                yield found

    async def _with_parts(self, payout: BookedPayout) -> BookedPayout:
        """With what it is made of, which Stripe says of automatic payouts alone."""
        if not payout.is_automatic:
            return payout
        found = await self._all(
            self._client.v1.balance_transactions.list_async, {"payout": payout.id}
        )
        return replace(payout, entries=tuple(_part(each, payout.id) for each in found))

    def _retrieve(self, kind: BookedKind) -> Callable[[str, Any], Awaitable[Any]]:
        v1 = self._client.v1
        calls: Mapping[BookedKind, Callable[[str, Any], Awaitable[Any]]] = {
            "invoice": v1.invoices.retrieve_async,
            "charge": v1.charges.retrieve_async,
            "refund": v1.refunds.retrieve_async,
            "dispute": v1.disputes.retrieve_async,
            "balance": v1.balance_transactions.retrieve_async,
            "payout": v1.payouts.retrieve_async,
        }
        return calls[kind]

    def _list(self, kind: BookedKind) -> Callable[[Any], Awaitable[Any]]:
        v1 = self._client.v1
        calls: Mapping[BookedKind, Callable[[Any], Awaitable[Any]]] = {
            "invoice": v1.invoices.list_async,
            "charge": v1.charges.list_async,
            "refund": v1.refunds.list_async,
            "dispute": v1.disputes.list_async,
            "balance": v1.balance_transactions.list_async,
            "payout": v1.payouts.list_async,
        }
        return calls[kind]


def _part(document: Mapping[str, Any], payout_id: str) -> BalanceEntry:
    return replace(stripe_booked.entry_of(document), payout_id=payout_id)
