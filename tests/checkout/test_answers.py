"""What is kept of a click on an offer: where the buyer came from, and the newsletter's box."""

from collections.abc import Iterator

import pytest

from service.db.context import Context
from service.db.tables import CheckoutTouches, Consent, MovementRow, Reader
from service.reports.source_rollup import BY_SOURCE
from service.settings import Settings
from tests.checkout.rows import rows
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.served import Installation, installation

WORDING = "Send me the Gazette's letter on Saturdays"
LETTER = {"source": "letter", "medium": "email", "campaign": "spring"}


@pytest.fixture
def asking(settings: Settings, clocks: MovingClocks) -> Iterator[Installation]:
    offering = settings.model_copy(update={"newsletter_wording": WORDING})
    with installation(offering, clocks) as made:
        made.publish("b")
        yield made


@on_sqlite
def test_a_sale_keeps_its_source(asking: Installation) -> None:
    read = {"referrer": "https://search.example/find", "token": False}
    assert asking.browser.post("/v1/articles/b/unlock", json=read).status_code == 200
    asking.subscribe(campaign=LETTER)
    (kept,) = rows(asking, CheckoutTouches)
    assert (kept.first_referrer_host, kept.first_campaign) == ("search.example", None)
    assert (kept.last_source, kept.last_medium, kept.last_campaign) == (
        "letter", "email", "spring",
    )  # fmt: skip
    assert kept.last_referrer_host is None
    # The checkout became the subscription's after its movement was recorded.
    assert [each.source_due for each in rows(asking, MovementRow)] == [True]
    asking.in_database(
        lambda database: BY_SOURCE.roll_up(Context(asking.settings, asking.clocks, database))
    )
    (moved,) = rows(asking, MovementRow)
    led = (moved.led_source, moved.led_last_source, moved.led_campaign)
    assert led == ("search.example", "letter", "no campaign")
    assert (moved.source_due, moved.sourced_as) == (False, moved.customer)


@on_sqlite
def test_the_page_hands_on_where_its_reader_came_from(asking: Installation) -> None:
    """Without JavaScript: from the address of the article to the form of the offer."""
    asking.publish("closed", access={"level": "subscribers"})
    address = "/articles/closed?utm_source=letter&utm_campaign=a%26b&utm_medium=%00&x=1"
    page = asking.browser.get(address, headers={"Referer": "https://friend.example/page"}).text
    assert 'action="/subscribe?utm_source=letter&amp;utm_campaign=a%26b"' in page
    assert 'name="referrer" value="https://friend.example/page"' in page
    form = {"offer": asking.offers["monthly"], "referrer": "https://friend.example/page"}
    to_stripe = asking.browser.post(
        "/subscribe?utm_source=letter&utm_campaign=a%26b", data={**form, "newsletter": "true"}
    )
    assert to_stripe.status_code == 303
    (kept,) = rows(asking, CheckoutTouches)
    assert (kept.first_referrer_host, kept.first_source, kept.first_campaign) == (
        "friend.example", "letter", "a&b",
    )  # fmt: skip


@on_sqlite
def test_the_box_is_a_consent_once_bought(asking: Installation) -> None:
    session_id = asking.start_checkout(newsletter=True).json()["session_id"]
    assert rows(asking, Consent) == []
    assert asking.pay(session_id).status_code == 200
    asking.settle()
    for _ in range(2):
        asking.browser.get(f"/v1/checkout/return?session_id={session_id}")
    (consent,) = rows(asking, Consent)
    (buyer,) = rows(asking, Reader)
    assert (consent.reader_id, consent.given, consent.wording, consent.place) == (
        buyer.id, True, WORDING, "checkout",
    )  # fmt: skip


@on_sqlite
def test_what_cant_be_kept_is_refused(asking: Installation) -> None:
    for campaign in ({"utm_source": "letter"}, {"source": "x" * 101}, {"source": "a\nb"}):
        assert asking.start_checkout(campaign=campaign).status_code == 422, campaign
