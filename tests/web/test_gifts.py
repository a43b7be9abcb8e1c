"""Giving an article, and coming by a gift link, on the newspaper's pages without JavaScript."""

import re
from html import unescape

from sqlalchemy import select

from service.db.tables import GiftLink
from service.offers.on_sale import OnSale
from tests.databases import on_sqlite
from tests.reports import rows
from tests.web.conftest import SECRET_SENTENCE, Newspaper

pytestmark = on_sqlite


async def test_a_subscriber_gives_and_a_stranger_reads(newspaper: Newspaper) -> None:
    await newspaper.publish("ferry", level="subscribers")
    assert (await newspaper.browser.get("/articles/ferry/give")).status_code == 401
    await newspaper.subscriber()
    assert 'href="/articles/ferry/give"' in (await newspaper.browser.get("/articles/ferry")).text
    before = await newspaper.browser.get("/articles/ferry/give")
    assert "Create a link" in before.text
    made = await newspaper.browser.post("/articles/ferry/give")
    assert (made.status_code, made.headers["Location"]) == (303, "/articles/ferry/give")
    page = await newspaper.browser.get("/articles/ferry/give")
    assert "you can gift 9 more this month" in page.text
    found = re.search(r'id="gift-link" value="([^"]+)"', page.text)
    assert found is not None
    link = unescape(found.group(1))
    assert link.startswith(f"{newspaper.settings.public_url}/articles/ferry?gift=gft_")

    newspaper.browser.cookies.clear()
    arrived = await newspaper.browser.get(link)
    assert arrived.headers["Cache-Control"] == "private, no-store"
    assert "A subscriber has given you this article." in arrived.text
    assert SECRET_SENTENCE not in arrived.text
    action = re.search(r'class="read-on paywall"[^>]*action="([^"]+)"', arrived.text)
    assert action is not None
    async with newspaper.database.reading() as session:
        assert (await session.scalars(select(GiftLink.readers))).one() == 0, (
            "arriving takes no place"
        )
    opened = await newspaper.browser.post(unescape(action.group(1)))
    assert (opened.status_code, SECRET_SENTENCE in opened.text) == (200, True)
    assert "Gift this article" not in opened.text
    # The device holds the grant: the plain address opens at once.
    assert SECRET_SENTENCE in (await newspaper.browser.get("/articles/ferry")).text


async def test_a_link_that_opens_nothing_leads_to_the_wall_which_says_why(
    newspaper: Newspaper,
) -> None:
    await newspaper.publish("ferry", level="subscribers")
    await newspaper.subscriber()
    await newspaper.browser.post("/articles/ferry/give")
    given = await newspaper.browser.get("/account/gifts")
    assert "Active" in given.text
    async with newspaper.database.reading() as session:
        link_id = (await session.scalars(select(GiftLink.id))).one()
    ended = await newspaper.browser.post("/account/gifts/end", data={"link": link_id})
    assert ended.headers["Location"] == "/account/gifts"
    assert "Turned off" in (await newspaper.browser.get("/account/gifts")).text
    newspaper.browser.cookies.clear()
    walled = await newspaper.browser.get("/articles/ferry?gift=gft_nonsense")
    assert walled.status_code == 200
    assert "This gift link isn’t complete" in walled.text
    assert SECRET_SENTENCE not in walled.text
    assert "utm_source=gift" in walled.text, "what is bought here was led here by the link"


async def test_every_page_leads_to_the_gifts_that_are_sold(newspaper: Newspaper) -> None:
    on_sale, link = newspaper.app.running.get(OnSale), 'href="/gift"'
    await on_sale.assortment()
    assert link not in (await newspaper.browser.get("/")).text
    async with newspaper.database.transaction() as session:
        session.add(rows.offer(kind="gift"))
    on_sale.forget()
    await on_sale.assortment()
    for path in ("/", "/account"):
        assert link in (await newspaper.browser.get(path)).text, path
