"""A newspaper that sells, its readers, and the account at Stripe: the words in which the stories are told.

Whatever a reader does here goes over HTTP, as from a browser; `at_stripe` is Stripe's own client, for
what somebody does at the account's dashboard.
"""

import html
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from service.db.tables import DomainEvent, Mail
from tests.checkout.rows import rows
from tests.patience import PATIENCE
from tests.served import Installation

GOOD_CARD = "4242424242424242"
ANOTHER_GOOD_CARD = "4000000000007726"
CARD_OF_A_NEWCOMER = "5555555555554444"
"""No other story of its module begins a trial or an intro price with it: a card has one."""
CARD_WITHOUT_MONEY = "4000000000000341"
"""Can be saved; every charge fails."""
CARD_OF_A_CAREFUL_BANK = "4000002760003184"
"""Its bank wants its holder to confirm every charge."""

MEMBERS, EXTRA = "letter-from-the-harbour", "the-full-archive"
"""Articles for every subscriber, and for those of the dearer plan alone."""


def told_on(*databases: str) -> pytest.MarkDecorator:
    """Each story of a module on these databases, one after the other in one process."""
    kinds = [
        pytest.param(kind, marks=pytest.mark.xdist_group(f"lifecycle-{kind}")) for kind in databases
    ]
    return pytest.mark.parametrize("paper", kinds, indirect=True, scope="module")


@dataclass
class Paper:
    """Time only moves forwards, so each story begins whenever the one before has ended."""

    site: Installation
    at_stripe: Any
    browsers: ExitStack

    def reader(self, name: str) -> "Reader":
        """Somebody with a browser of their own whom nobody knows yet."""
        browser = self.browsers.enter_context(self.site.new_browser())
        return Reader(self, f"{name}@example.org", browser)

    @property
    def now(self) -> datetime:
        return self.site.clocks.business()

    def passes(self, **by: float) -> datetime:
        """Let days or hours pass, here and at Stripe, with all that follows from them."""
        return self.site.travel(timedelta(**by))

    def hook(self, path: str, **entries: object) -> dict[str, Any]:
        """What Stripe leaves to banks and networks: a hook of the local Stripe."""
        answer = httpx2.post(f"{self.site.stripe_url}/_sim/{path}", json=entries, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def newsroom(self, method: str, path: str, **body: object) -> Any:
        """Use the newsroom's own API with its key."""
        answer = self.site.browser.request(
            method,
            f"/v1/admin/{path}",
            json=body or None,
            headers={"Authorization": f"Bearer {self.site.api_key}"},
        )
        assert answer.is_success, answer.text
        return answer.json()

    def price(self, offer: str) -> str:
        """The offer's price at Stripe, which the first click on the offer makes."""
        started = self.reader("passer-by").begins(offer)
        (item,) = self.at_stripe.checkout.sessions.line_items.list(started).data
        return str(item.price.id)

    def settles(self) -> None:
        """Everything that Stripe has told is heard, and what follows from it is done."""
        self.site.settle()


@dataclass
class Reader:
    """`email` is what they type at Checkout."""

    paper: Paper
    email: str
    browser: httpx2.Client
    bought: list[str] = field(default_factory=list)
    """Their Checkout sessions that were paid, the latest last."""

    # Buying

    def begins(self, offer: str, **fields: Any) -> str:
        """Click on an offer; the Checkout session's id."""
        body = {"offer": self.paper.site.offers[offer], "return_to": f"/articles/{MEMBERS}"}
        answer = self.browser.post("/v1/checkout", json={**body, **fields})
        assert answer.status_code == 201, answer.text
        session: str = answer.json()["session_id"]
        return session

    def pays(self, session: str, **means: object) -> None:
        """By a card, or as the hook's `method` says."""
        means = means or {"card": GOOD_CARD}
        self.paper.hook(f"checkout/{session}/pay", email=self.email, **means)
        self.bought.append(session)

    def comes_back(self, session: str) -> httpx2.Response:
        """Follow Stripe's way back to the article."""
        return self.browser.get("/v1/checkout/return", params={"session_id": session})

    def buys(self, offer: str, card: str = GOOD_CARD, **fields: Any) -> None:
        """Click, pay, and be led back to the article."""
        session = self.begins(offer, **fields)
        self.pays(session, card=card)
        back = self.comes_back(session)
        assert back.status_code == 303, back.text
        assert back.headers["Location"].endswith(f"/articles/{MEMBERS}")

    def signs_in(self) -> None:
        """Ask for the mail and follow its link: then the address is theirs."""
        before = {each.id for each in self._sign_in_mails()}
        asked = self.browser.post("/v1/sign-in", json={"email": self.email})
        assert asked.status_code == 202, asked.text
        (mail,) = [each for each in self._sign_in_mails() if each.id not in before]
        link = re.search(r"token=([\w-]+)", mail.text)
        assert link is not None
        done = self.browser.post("/v1/sign-in/confirm", json={"token": link[1]})
        assert done.status_code == 200, done.text

    def _sign_in_mails(self) -> list[Any]:
        sent = rows(self.paper.site, Mail)
        return [each for each in sent if (each.kind, each.recipient) == ("sign-in", self.email)]

    # Reading

    def reads(self, article: str = MEMBERS) -> str | None:
        """What opens the article to them; None: they meet the wall, and nothing of it is told."""
        answer = self.browser.post(f"/v1/articles/{article}/unlock")
        assert answer.status_code in {200, 402}, answer.text
        told = answer.json()
        if answer.status_code == 402:
            assert "Ending of" not in answer.text
            return None
        reason: str = told["reason"]
        return reason

    @property
    def account(self) -> str:
        """The words on their account page."""
        page = self.browser.get("/account")
        assert page.status_code == 200
        main = re.search(r"<main.*?</main>", page.text, re.DOTALL)
        assert main is not None
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main[0])).split())

    @property
    def profile(self) -> dict[str, Any]:
        answer = self.browser.get("/v1/me")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def is_told_to_pay(self) -> bool:
        """What a frontend shows its banner by."""
        return any(grant["grace"] for grant in self.profile["grants"])

    # The account at Stripe

    @property
    def subscription(self) -> Any:
        """What they bought last, as Stripe has it now."""
        session = self.paper.at_stripe.checkout.sessions.retrieve(self.bought[-1])
        return self.paper.at_stripe.subscriptions.retrieve(session.subscription)

    @property
    def period_ends(self) -> datetime:
        end = self.subscription["items"].data[0].current_period_end
        return datetime.fromtimestamp(end, self.paper.now.tzinfo)

    @property
    def paid(self) -> list[int]:
        """What each invoice of it took, in cents, the first first."""
        asked = {"subscription": self.subscription.id, "status": "paid"}
        listed = self.paper.at_stripe.invoices.list(asked).data
        return [each.amount_paid for each in reversed(listed)]

    @property
    def charge(self) -> str:
        """Their latest charge that went through."""
        listed = self.paper.at_stripe.charges.list({"customer": self.subscription.customer}).data
        return next(str(each.id) for each in listed if each.status == "succeeded")

    def in_portal(self, action: str, **entries: str) -> None:
        """Go to Stripe's portal from the account page and press a button there."""
        answer = self.browser.post("/v1/portal", json={"return_to": "/account"})
        assert answer.status_code == 201, answer.text
        form = {"subscription": self.subscription.id, "action": action, **entries}
        done = httpx2.post(answer.json()["url"], data=form, timeout=PATIENCE)
        assert done.status_code in {303, 402}, done.text
        self.paper.settles()

    def gives_card(self, card: str) -> None:
        """Save another card in the portal, which pays at once what is owed."""
        self.in_portal("card", card=card, exp="12 / 40", cvc="123")

    def leaves(self) -> None:
        """The story is over: nothing more is charged, whatever comes."""
        if self.subscription.status not in {"canceled", "incomplete_expired"}:
            self.paper.at_stripe.subscriptions.cancel(self.subscription.id)
            self.paper.settles()

    # What the newsroom and they are told

    @property
    def happened(self) -> list[str]:
        """The ledger's rows of them, the earliest first, without the word "subscription"."""
        return [each.type.removeprefix("subscription.") for each in self._ledger()]

    def told(self, kind: str) -> dict[str, Any]:
        """What the ledger says of the latest happening of this kind."""
        last = [each for each in self._ledger() if each.type.endswith(f".{kind}")][-1]
        after: dict[str, Any] = last.after
        return after

    def _ledger(self) -> list[Any]:
        reader = self.profile["id"]
        theirs = [
            each
            for each in rows(self.paper.site, DomainEvent)
            if each.reader_id == reader and not each.type.startswith("reader.")
        ]
        return sorted(theirs, key=lambda each: (each.occurred_at, each.once))


def mails_about(reader: Reader) -> list[str]:
    """Of what kinds are the mails to them, in the alphabet's order."""
    to = reader.profile["id"]
    return sorted(each.kind for each in rows(reader.paper.site, Mail) if each.reader_id == to)
