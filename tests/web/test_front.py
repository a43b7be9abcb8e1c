"""The front page: order, sections, older pages, the frame."""

import re
from datetime import timedelta

import httpx2
import pytest
from markupsafe import Markup

from service.db.session import Database
from service.identity.cookies import cookie_name
from service.web.frame import Frame, Imprint
from tests.databases import on_sqlite
from tests.running import exchange
from tests.web.conftest import Newspaper

pytestmark = on_sqlite

TITLE = re.compile(r'<h[23]><a href="/articles/([a-z0-9-]+)">')


def slugs(answer: httpx2.Response) -> list[str]:
    return TITLE.findall(answer.text)


async def test_the_latest_leads_and_the_rest_stands_by_section(newspaper: Newspaper) -> None:
    order = ["News", "Sport", "News", "Culture", "Life", "News", "Life", "Culture"]
    for place, section in enumerate(order):
        await newspaper.publish(f"a{place}", days_ago=place + 1, section=section)
    answer = await newspaper.browser.get("/")
    assert answer.status_code == 200
    assert slugs(answer) == ["a0", "a1", "a2", "a3", "a4", "a6", "a5", "a7"]
    assert re.findall(r'id="block-\d"><a [^>]+>(\w+)<', answer.text) == ["Life", "News", "Culture"]
    sections = re.search(r'aria-label="Sections">(.*?)</nav>', answer.text, re.DOTALL)
    assert sections is not None
    assert re.findall(r">(\w+)</a>", sections[1]) == ["All", "News", "Culture", "Life", "Sport"]


async def test_a_section_shows_its_articles_alone(newspaper: Newspaper) -> None:
    await newspaper.publish("a", section="News & views")
    await newspaper.publish("b", section="Sport")
    answer = await newspaper.browser.get("/", params={"section": "News & views"})
    assert slugs(answer) == ["a"]
    assert '<h1 class="page-title">News &amp; views</h1>' in answer.text
    unknown = await newspaper.browser.get("/?section=Chess")
    assert unknown.status_code == 404
    assert "Section not found" in unknown.text


async def test_older_pages_show_every_article_once(newspaper: Newspaper) -> None:
    for place in range(60):
        await newspaper.publish(f"a{place}", days_ago=place + 1, section="News")
    for start in ("/", "/?section=News"):
        seen: list[str] = []
        address: str | None = start
        while address is not None:
            answer = await newspaper.browser.get(address)
            seen += slugs(answer)
            following = re.search(r'rel="next" href="([^"]+)"', answer.text)
            address = following[1].replace("&amp;", "&") if following else None
        assert seen == [f"a{place}" for place in range(60)]


async def test_marks_tell_what_is_free_and_what_is_for_subscribers(newspaper: Newspaper) -> None:
    await newspaper.publish("a", level="free")
    await newspaper.publish("b", level="subscribers")
    await newspaper.publish("c")
    page = (await newspaper.browser.get("/")).text
    assert page.count('class="mark mark-free"') == 1
    assert page.count('class="mark mark-subscribers"') == 1


async def test_nothing_published_says_so(newspaper: Newspaper) -> None:
    assert "No articles yet" in (await newspaper.browser.get("/")).text


async def test_what_will_be_published_waits(newspaper: Newspaper) -> None:
    await newspaper.publish("tomorrow", days_ago=-1, section="Tomorrow's")
    assert "omorrow" not in (await newspaper.browser.get("/")).text
    newspaper.clocks.travel(timedelta(days=2))
    assert slugs(await newspaper.browser.get("/")) == ["tomorrow"]


async def test_queries_that_make_no_sense_are_pages(newspaper: Newspaper) -> None:
    for query in ("cursor=nonsense", "section=%00", f"section={'x' * 300}"):
        answer = await newspaper.browser.get(f"/?{query}")
        assert answer.status_code == 422
        assert "Go to the front page" in answer.text


async def test_the_frame_has_landmarks_and_no_inline_code(newspaper: Newspaper) -> None:
    await newspaper.publish("a", section="News")
    imprint = Imprint(tagline="By the <morning> boat", about="Since 1887.")
    exchange(newspaper.app, Frame(imprint, lambda _: Markup("<p>It is tomorrow</p>")))
    for path in ("/", "/articles/a", "/account", "/problems", "/problems/walled", "/articles/no"):
        answer = await newspaper.browser.get(path)
        page = answer.text
        assert '<div class="page-bar"><p>It is tomorrow</p></div>' in page
        assert "By the &lt;morning&gt; boat" in page
        assert page.count("<main") == page.count("<h1") == 1
        assert 'href="#main"' in page
        assert not re.search(r"<style|style=|\son[a-z]+=", page)
        assert re.findall(r"<script(?! type=\"(?:application/ld\+json|module\" src=))", page) == []
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Tuesday, 10 March 2026" in page


@pytest.mark.parametrize("path", ["/", "/?section=harbour", "/account"])
async def test_while_the_database_is_away_a_page_leads_back_to_itself(
    newspaper: Newspaper, path: str
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/away", patience=0.5)
    exchange(newspaper.app, away)
    newspaper.hold(cookie_name("session", newspaper.settings), "ses_1.a.b")
    answer = await newspaper.browser.get(path)
    await away.dispose()
    assert answer.status_code == 503
    assert f'href="{path}">Try again</a>' in answer.text
