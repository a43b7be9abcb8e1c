"""A subscription's row, movements and events, as the code that stores real states makes them.

It does what `store_snapshot` in billing/sync.py does, one stage after the other, without asking the
database between them: that would take minutes for some thousand subscriptions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.billing.ledger import happened, state_of
from service.billing.lifecycle import Terms, grant_of
from service.billing.money import stop_of
from service.billing.movements import Movement, movements
from service.billing.snapshot import Snapshot
from service.billing.state import StateChange
from service.billing.sync import copy_state, note_stop
from service.billing.transitions import transitions
from service.db.tables import Offer, Subscription
from service.demo.history.lives import Stage
from service.outbox.domain_events import Happened


@dataclass
class Replayed:
    """What is stored of one subscription so far. `others`: the movements of the reader's others."""

    row: Subscription
    reader_id: str
    offers: Mapping[str, Offer]
    """By the price's id at Stripe."""
    terms: Terms
    others: Sequence[Movement]
    movements: list[Movement] = field(default_factory=list)
    seen_at: list[datetime] = field(default_factory=list)
    """When each movement was stored, which may be later than its own date."""
    events: list[Happened] = field(default_factory=list)
    open_until: datetime | None = None
    in_grace: bool = False
    note: str = ""
    _known: set[str] = field(default_factory=set)

    def play(self, stages: Iterable[Stage]) -> None:
        """Store each stage."""
        for stage in stages:
            self._store(stage)

    def _store(self, stage: Stage) -> None:
        row, subscription, money = self.row, stage.subscription, stage.money
        before = state_of(row, None) if row.version else None
        snapshot = Snapshot(subscription, money, row.version or None, stage.next_amount)
        offer = self.offers[subscription.items[0].price.id]
        copy_state(row, subscription, snapshot, offer, reader_id=self.reader_id, now=stage.at)
        stop = stop_of(money, self.terms.refund_policy, trial_used_at=None)
        note_stop(row, stop)
        granted = grant_of(subscription, money.invoices, self.terms, stop)
        self.open_until = granted.end(before=self.open_until, seen_at=stage.at)
        self.in_grace, self.note = granted.in_grace, granted.reason
        after = state_of(row, subscription)
        change = StateChange(self.reader_id, before, after, money, self.open_until)
        found = movements(before, after, money, chain=self.movements, others=self.others)
        self.movements += found
        self.seen_at += [stage.at] * len(found)
        self.events += self._emitted(change, stage.at)

    def _emitted(self, change: StateChange, at: datetime) -> Iterator[Happened]:
        for happening in transitions(change.before, change.after, change.money, at):
            if happening.once not in self._known:
                self._known.add(happening.once)
                yield happened(change, happening)
