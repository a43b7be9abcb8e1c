"""A newcomer to the back office: every place of the navigation has something to show in a new demo."""

import re

import httpx2
import pytest
from sqlalchemy import select

from service.app import close, create_app, make_ready
from service.db.tables import Operator
from service.identity.cookies import cookie_name
from service.identity.operators import open_operator_session
from service.operators.frame.places import GROUPS
from tests.demo.invented import Demo

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("the-year")]
EMPTY = {
    "/admin/money": ["No open disputes."],  # one is opened a minute after the first start
}
"""What a place may say that it hasn't, and why."""


async def test_each_place_has_something_to_show(demo: Demo) -> None:
    settings = demo.context.settings
    app = create_app(settings, gateway=demo.gateway, clocks=demo.clocks)
    await make_ready(app.running)
    async with demo.context.database.transaction() as session:
        operator = (await session.scalars(select(Operator))).one()
        secret = await open_operator_session(
            session, operator, now=demo.clocks.wall(), settings=settings
        )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser:
        browser.cookies.set(cookie_name("operator", settings), secret, domain="127.0.0.1")
        for place in (each for group in GROUPS for each in group.places):
            page = await browser.get(place.path)
            assert page.status_code == 200, place.path
            said = re.findall(r'class="empty">\s*([^<]+?)\s*<', page.text)
            assert said == EMPTY.get(place.path, []), place.path
            # A table for a screen reader has rows alone, and no link beside them.
            assert not re.search(r"<caption>(?:(?!</caption>).)*<a ", page.text), place.path
    await close(app.running)
