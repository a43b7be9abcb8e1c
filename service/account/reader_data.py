"""What is held on a reader: for every table how it is found, what an export shows, what erasing leaves.

Export and erase go by this table alone, so they can't differ from it. A test walks over all tables and
fails with the name of a column that isn't in here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, null

from service.account.subject import (
    Subject,
    their_charge_ids,
    their_charges,
    their_checkout_touches,
    their_checkouts,
    their_gift_subscriptions,
    their_holders,
    their_limits,
    their_mails,
    their_meters,
    their_movements,
    their_promotion_uses,
    their_reads,
    their_seats,
    their_sign_ins,
    their_subscriptions,
    their_webhooks,
)
from service.db.base import Base, new_id
from service.db.tables import (
    AccessEntry,
    AddressChange,
    AuditEntry,
    ChargeRow,
    Checkout,
    CheckoutTouches,
    Consent,
    Customer,
    DisputeRow,
    DomainEvent,
    FewHabit,
    FormerGrant,
    GiftLink,
    GiftOpening,
    GiftSubscription,
    Grant,
    HolderDay,
    InboxEvent,
    InvoiceRow,
    Mail,
    MeterWindow,
    MovementRow,
    Pass,
    PromotionUse,
    RateLimit,
    Reader,
    ReaderDevice,
    ReaderNote,
    ReaderSession,
    ReaderUse,
    RefundRow,
    RevokedClaim,
    Right,
    RightClaim,
    Seat,
    SignInAsk,
    SignInRequest,
    Subscription,
    Touches,
    WebhookDelivery,
)
from service.metering.store import (
    DEVICE,
    READER,
    known_device_holder,
)


@dataclass(frozen=True)
class Holding:
    """What one table holds on a reader.

    `blank` are the columns that erasing overwrites, with a value or an SQL expression, or a function
    that makes one for the subject; `kept` those that it leaves. Where there are neither, the rows are
    deleted. `rewritten` are columns whose value erasing changes one by one. `hidden` are columns that no export shows, `shown` says of others in
    another form.
    """

    section: str
    """The member of the export."""
    table: type[Base]
    theirs: Callable[[Subject], ColumnElement[bool]]
    blank: Mapping[str, Any] = field(default_factory=dict)
    kept: str = ""
    rewritten: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    hidden: str = ""
    shown: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def blanks(self, subject: Subject) -> dict[str, Any]:
        """What erasing this subject writes into which column."""
        return {
            name: value(subject) if isinstance(value, FunctionType) else value
            for name, value in self.blank.items()
        }

    @property
    def goes(self) -> bool:
        """Whether erasing deletes the rows."""
        return not (self.blank or self.kept or self.rewritten)


def _without_devices(subject: Subject) -> ColumnElement[str]:
    """What a reader read on a device is the reader's alone; other reads get another device's name.

    Holders can be counted as before, and nothing leads from them to a device any more.
    """
    renamed = [
        (AccessEntry.holder == known_device_holder(each), known_device_holder(new_id("dev")))
        for each in subject.devices
    ]
    named = and_(AccessEntry.reader_id.is_not(None), AccessEntry.holder.startswith(DEVICE))
    return case(
        (named, literal(READER) + AccessEntry.reader_id), *renamed, else_=AccessEntry.holder
    )


def _without_device_names(subject: Subject) -> ColumnElement[str]:
    """Each device gets another name, the same for all of its days."""
    renamed = [
        (HolderDay.holder == known_device_holder(each), known_device_holder(new_id("dev")))
        for each in subject.devices
    ]
    return case(*renamed, else_=HolderDay.holder) if renamed else HolderDay.holder.expression


def _either(reader_id: Any, *, nobodys: Any, theirs: Any) -> ColumnElement[Any]:
    """One value for rows that name no reader, another for those that do."""
    return case((reader_id.is_(None), nobodys), else_=theirs)


def _kind_of_actor(actor: str) -> str:
    """operator, api_key or command: who of the staff it was isn't the reader's to know."""
    return actor.partition(":")[0]


def _without_words(values: Any) -> Any:
    """What an operator wrote of the reader goes; what was changed stays."""
    if not isinstance(values, Mapping):
        return values
    return {key: value for key, value in values.items() if key not in {"note", "email"}}


HOLDINGS: tuple[Holding, ...] = (
    Holding(
        "accounts", Reader, lambda subject: Reader.id.in_(subject.ids),
        blank={
            "email": None, "email_key": None, "verified_key": None, "email_verified_at": None,
            "pseudonym": None, "experiment_unit": None,
        },
        kept="id created_at merged_into erased_at",
    ),
    Holding(
        "sessions", ReaderSession, lambda subject: ReaderSession.reader_id.in_(subject.ids),
        # The rows stay, so that tokens of theirs are refused for as long as they live.
        blank={"device_id": None, "label": "", "previous_hash": None, "successor_sealed": None},
        kept="id secret_hash successor_used rotated_at reader_id kind method created_at used_at expires_at ended_at "
        "end_reason",
        hidden="secret_hash previous_hash successor_sealed successor_used",
    ),
    Holding(
        "devices", ReaderDevice, lambda subject: ReaderDevice.reader_id.in_(subject.ids)
    ),
    Holding(
        # The names say nothing to anybody: they are keyed hashes, and pseudonyms that are elsewhere.
        "uses", ReaderUse, lambda subject: ReaderUse.reader_id.in_(subject.ids), hidden="name",
    ),
    Holding(
        "address_changes", AddressChange, lambda subject: AddressChange.reader_id.in_(subject.ids),
        hidden="old_hash new_hash",
    ),
    Holding("sign_in_requests", SignInRequest, their_sign_ins, hidden="link_hash code_hash"),
    Holding("sign_in_asks", SignInAsk, lambda subject: SignInAsk.holder.in_(their_holders(subject))),
    Holding("mails", Mail, their_mails, hidden="text html"),
    Holding(
        "meter_windows", MeterWindow, lambda subject: MeterWindow.holder.in_(their_meters(subject))
    ),
    Holding(
        "read_days", HolderDay, lambda subject: HolderDay.holder.in_(their_holders(subject)),
        # Distinct holders are counted as before, and nothing leads from them to a device any more.
        blank={"holder": _without_device_names},
        kept="day reads counted subscribe_wall_at register_wall_at",
    ),
    Holding("few_habits", FewHabit, lambda subject: FewHabit.reader_id.in_(subject.ids)),
    Holding("touches", Touches, lambda subject: Touches.holder.in_(their_holders(subject))),
    # Before the checkouts, whose ties to devices go.
    Holding("checkout_touches", CheckoutTouches, their_checkout_touches),
    Holding("consents", Consent, lambda subject: Consent.reader_id.in_(subject.ids)),
    Holding(
        "checkouts", Checkout, their_checkouts,
        # Without its claim nobody comes back into the erased account. A buyer who is about to pay
        # without having signed in buys for a new one.
        blank={
            "device_id": None, "wall_article_id": None,
            "return_to": _either(Checkout.reader_id, nobodys=Checkout.return_to, theirs="/"),
            "claim_hash": _either(Checkout.reader_id, nobodys=Checkout.claim_hash, theirs=""),
            "stripe_url": _either(Checkout.reader_id, nobodys=Checkout.stripe_url, theirs=None),
            "newsletter": _either(Checkout.reader_id, nobodys=Checkout.newsletter, theirs=None),
            "newsletter_wording": _either(
                Checkout.reader_id, nobodys=Checkout.newsletter_wording, theirs=None
            ),
        },
        kept="id offer_id reader_id status stripe_session_id stripe_subscription_id created_at "
        "expires_at completed_at article_id processing_since claim_used_at seats",
        hidden="claim_hash",
    ),
    Holding(
        "customers", Customer, lambda subject: Customer.reader_id.in_(subject.ids),
        kept="id reader_id bound_at joined_at imported_at",
    ),
    Holding(
        "subscriptions", Subscription, lambda subject: Subscription.reader_id.in_(subject.ids),
        kept="id reader_id customer_id offer_id price_id plan seats next_seats next_seats_at status amount currency interval interval_count "
        "recurring_amount net_amount discounts started_at current_period_end trial_end cancel_at "
        "ended_at past_due_since pauses_collection "
        "cancel_reason cancel_feedback cancelled_at cancelled_after_days access_stop access_stopped_at "
        "payment_problem synced_at "
        "version outside next_charge_at next_amount open_amount joined_at "
        "imported_at trial_ended_at trial_became scheduled_noted",
        hidden="trial_ended_at trial_became scheduled_noted",
        # The page behind it shows name and address.
        blank={"payment_url": None, "cancel_comment": ""},
    ),
    Holding(
        "movements", MovementRow, their_movements,
        # What was earned stays; the pseudonym says nothing once the reader's row has lost it.
        kept="subscription_id number customer at kind cause currency from_plan from_interval "
        "from_interval_count from_listed from_recurring from_net to_plan to_interval "
        "to_interval_count to_listed to_recurring to_net discounts rolled_as "
        "renewals sourced_as led_source led_last_source led_campaign source_due",
        hidden="rolled_as renewals sourced_as source_due",
    ),
    Holding(
        "promotion_uses", PromotionUse, their_promotion_uses,
        kept="discount_id subscription_id pass_id sold at coupon promotion_code code plan currency is_new "
        "is_live paid",
        hidden="is_new is_live paid",
    ),
    Holding(
        "passes", Pass, lambda subject: Pass.reader_id.in_(subject.ids),
        kept="id checkout_id reader_id customer_id offer_id scope amount currency paid_at starts_at "
        "ends_at access_stop access_stopped_at synced_at version",
    ),
    Holding(
        "gift_subscriptions", GiftSubscription, their_gift_subscriptions,
        # What isn't sent yet still goes to its receiver, who is somebody else.
        blank={
            "receiver_email": _either(
                GiftSubscription.sent_at, nobodys=GiftSubscription.receiver_email, theirs=None
            )
        },
        kept="id checkout_id pass_id send_at sent_at created_at paid_at revoked_at redeemed_at redeemed_by "
        "starts_at ends_at",
    ),
    Holding(
        "seats", Seat, their_seats,
        blank={"email": None},
        kept="id subscription_id reader_id created_at joined_at ended_at asked_at",
    ),
    Holding(
        "invoices", InvoiceRow, lambda subject: InvoiceRow.subscription_id.in_(their_subscriptions(subject)),
        # What was earned stays, as with the movements; nothing of it says whose it was.
        kept="id subscription_id offer_id status billing_reason currency subtotal discount tax total "
        "amount_due amount_paid amount_remaining created_at finalized_at paid_at voided_at "
        "uncollectible_at attempt_count next_attempt_at asked_at",
    ),
    Holding(
        "charges", ChargeRow, their_charges,
        kept="id payment_id invoice_id subscription_id offer_id sold attempt status amount currency "
        "method country failure created_at asked_at",
    ),
    Holding(
        "refunds", RefundRow, lambda subject: RefundRow.charge_id.in_(their_charge_ids(subject)),
        kept="id charge_id amount currency status reason created_at asked_at",
    ),
    Holding(
        "disputes", DisputeRow, lambda subject: DisputeRow.charge_id.in_(their_charge_ids(subject)),
        kept="id charge_id amount currency status reason due_at created_at asked_at",
    ),
    Holding(
        "grants", Grant, lambda subject: Grant.reader_id.in_(subject.ids),
        blank={"note": ""},
        kept="id reader_id source reference scope starts_at ends_at in_grace created_at updated_at "
        "recorded_since",
    ),
    Holding(
        # Who wrote it is the staff's: the text is about the reader.
        "notes", ReaderNote, lambda subject: ReaderNote.reader_id.in_(subject.ids), hidden="author",
    ),
    Holding(
        "former_grants", FormerGrant, lambda subject: FormerGrant.grant_id.in_(subject.grants),
        kept="id grant_id until scope starts_at ends_at in_grace",
    ),
    Holding(
        # What was given goes on to its end. The id alone says who gave, and leads to nobody any more.
        "gift_links", GiftLink, lambda subject: GiftLink.reader_id.in_(subject.ids),
        kept="id reader_id article_id month most_readers readers created_at ends_at ended_at",
    ),
    Holding(
        "gifts_opened", GiftOpening, lambda subject: GiftOpening.device_id.in_(subject.devices)
    ),
    Holding(
        "rights", Right, lambda subject: Right.reader_id.in_(subject.ids),
        # The source goes on sending it: it is nobody's until somebody proves that it is theirs.
        blank={
            "reader_id": None, "bound_by": None, "bound_at": None, "email_hash": None,
            "account_hash": None, "number_hash": None, "name_hash": None,
        },
        kept="source reference plan starts_at ends_at ended_at created_at updated_at",
        hidden="email_hash account_hash number_hash name_hash",
    ),
    Holding(
        "right_claims", RightClaim, lambda subject: RightClaim.reader_id.in_(subject.ids),
        hidden="hash",
    ),
    Holding(
        "changes_by_staff", AuditEntry,
        lambda subject: AuditEntry.target.in_((*subject.ids, *subject.grants)),
        kept="id at actor action target",
        rewritten={"before": _without_words, "after": _without_words},
        shown={"actor": _kind_of_actor},
    ),
    Holding("rate_limits", RateLimit, their_limits),
    Holding(
        "revoked_tokens", RevokedClaim,
        lambda subject: RevokedClaim.value.in_((*subject.ids, *subject.sessions)),
        kept="claim value issued_before forget_at",
    ),
    Holding(
        "stripe_events", InboxEvent, lambda subject: InboxEvent.customer_id.in_(subject.customers),
        kept="id type object_id customer_id subscription_id created_at received_at told_by",
    ),
    Holding(
        "events", DomainEvent, lambda subject: DomainEvent.reader_id.in_(subject.ids),
        # That something happened stays; what exactly goes, also from what is still to be sent.
        blank={"before": null(), "after": null()},
        kept="id type reader_id subject_id once occurred_at recorded_at",
    ),
    Holding(
        "webhooks", WebhookDelivery, their_webhooks,
        # What the newsroom's system answered may name the reader.
        blank={"last_result": ""},
        kept="id event_id endpoint_id status attempts last_status created_at delivered_at",
        hidden="last_result",
    ),
    Holding(
        "reads", AccessEntry, their_reads,
        blank={
            "device_id": None,
            "holder": _without_devices,
            # Named by the sender of the mail or the link: it may name the reader.
            "campaign": None,
            # The release before put the device's name in it.
            "once_key": None,
        },
        kept="day id at article_id reader_id granted consumed reason wall window_start "
        "referrer_host meter_name prompt once audience variant",
        hidden="once_key",
    ),
)  # fmt: skip
"""In the order of the export."""

FREE_OF_READER_DATA: Mapping[str, str] = {
    "api_keys": "the publisher's keys",
    "article_revisions": "what the newsroom sent",
    "article_terms": "what the newsroom wrote",
    "article_sale_days": "how much was bought at the walls of articles, without buyers",
    "articles": "what the newsroom wrote",
    "balance_entries": "what moved in the balance at Stripe, without readers",
    "booked_days": "which days of money were added up",
    "business_clock": "one number",
    "cohort_months": "how many readers of a month stay, without readers",
    "content_state": "one number",
    "crawlers": "which crawlers there are, and their networks and keys",
    "dunning_episodes": "what became of invoices after a charge failed, by ids at Stripe",
    "edge_days": "how many readers joined and left on a day, without readers",
    "exchange_rates": "rates between currencies, and who of the staff entered them",
    "experiments": "what editors try out, without readers",
    "habit_days": "how many subscribers read often, without readers",
    "holder_returns": "how many holders came again, without holders",
    "invoice_payments": "which payment pays which invoice, by ids at Stripe",
    "institution_reads": "how often members of an institution read on a day, without readers",
    "institutions": "contracts, without readers",
    "jobs": "what is to be done later, by ids that mean nothing elsewhere",
    "ledger_days": "reads and refusals by day and article, without readers",
    "money_back_days": "how much was paid, refunded and disputed on a day, without readers",
    "money_days": "what movements of a day brought, without readers",
    "money_fillings": "how far lists at Stripe were read",
    "offers": "the catalogue",
    "operator_devices": "the staff's browsers",
    "operator_recovery_codes": "the staff's codes",
    "operator_sessions": "the staff's sessions",
    "operators": "the staff",
    "payouts": "what Stripe paid to the bank",
    "reconciliations": "figures, and what differed from Stripe by its ids",
    "price_renewal_days": "how many subscriptions of a price were renewed on a day, without readers",
    "renewal_days": "how many subscriptions were renewed on a day, without readers",
    "revenue_days": "what moved in the balance on a day, without readers",
    "right_days": "how many subscriptions of which price there were, without readers",
    "rolled_days": "which days of the ledger were added up",
    "rollups": "what movements, money and renewals were added up for",
    "rules_versions": "the publication's rules, and who of the staff set them",
    "saved_views": "filters that an operator chose, without words that were searched for",
    "scheduled_changes": "what subscriptions that were to end brought, by ids at Stripe",
    "signing_keys": "our own keys",
    "source_cohort_months": "how many readers of a month and a source stay, without readers",
    "source_days": "what led buyers here, without buyers",
    "source_edge_days": "how many readers of a source joined and left on a day, without readers",
    "source_money_days": "what movements of a day and a source brought, without readers",
    "step_depths": "how many holders used how much of the meter, without holders",
    "stripe_figures": "figures from the dashboard at Stripe, and who of the staff entered them",
    "trial_cards": "which cards have had a trial, without their owners",
    "unbound_subscriptions": "ids of customers at Stripe that are no reader's",
    "webhook_endpoints": "the newsroom's own systems",
}
"""Tables that hold nothing of a reader, with what they hold."""
