"""The mail about a purchase that somebody made with an account's address: once, to that reader alone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.db.tables import Mail
from tests.account.test_merge import ANA, buy, me, sign_in
from tests.checkout.rows import rows, sell
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import wait_until
from tests.served import Installation, installation

pytestmark = on_sqlite


@pytest.fixture
def site(mailing: Any, clocks: MovingClocks) -> Iterator[Installation]:
    with installation(mailing, clocks) as made:
        made.publish("a", access={"level": "subscribers"})
        yield made


def told(site: Installation) -> list[tuple[str, str, bool]]:
    """To whom, whose it is, and whether it waits still."""
    return [
        (mail.recipient or "", mail.reader_id or "", mail.status == "waiting")
        for mail in rows(site, Mail)
        if mail.kind == "purchase-waiting"
    ]


def test_an_accounts_reader_is_mailed_once_a_purchase(site: Installation) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser, "Ana@Example.org")
        assert told(site) == [(ANA, account, True)]
        # The buyer may still confirm the address in the browser where it was bought.
        site.clocks.travel(timedelta(minutes=9))
        assert told(site) == [(ANA, account, True)]
        site.clocks.travel(timedelta(minutes=2))
        wait_until(lambda: told(site) == [(ANA, account, False)], "the mail leaves")
        (mail,) = [each for each in rows(site, Mail) if each.kind == "purchase-waiting"]
        assert mail.subject == "Did you make this purchase?"
        # However often it is heard of.
        site.travel(timedelta(days=1))
        assert len(told(site)) == 1
        with site.new_browser() as other:
            buy(site, other)
        assert len(told(site)) == 2


def test_who_confirms_where_it_was_bought_reads_no_such_mail(site: Installation) -> None:
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser)
        assert len(told(site)) == 1
        assert sign_in(site, site.browser) == account
        assert told(site) == []
        site.travel(timedelta(hours=1))
        assert told(site) == []


def test_taking_over_at_once_ends_the_mail_too(site: Installation) -> None:
    with site.new_browser() as home:
        sign_in(site, home)
        buy(site, site.browser)
        assert home.post(f"/v1/me/purchases/{me(site.browser)}").status_code == 204
        assert told(site) == []


def test_nobody_else_is_told(site: Installation) -> None:
    """Not where the address is no account's, nor where the account's own reader buys."""
    with site.new_browser() as home:
        sign_in(site, home)
        buy(site, home)
        buy(site, site.browser, "ben@example.org")
        assert told(site) == []


def test_a_pass_waits_likewise(site: Installation) -> None:
    sell(site, "week", amount=300, currency="EUR", interval="week", kind="pass")
    with site.new_browser() as home:
        account = sign_in(site, home)
        buy(site, site.browser, offer="week")
        assert told(site) == [(ANA, account, True)]
