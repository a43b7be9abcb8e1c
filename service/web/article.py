"""An article's page: how much of the text it has, decided before the template sees anything.

The template gets the teaser's fields and one text, either the preview or the whole: it can't show
what it isn't given.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urljoin

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from service.access.audience import AUDIENCES, Audience
from service.access.decision import Meter
from service.access.notices import NoticeShown
from service.access.read import Look
from service.access.wall import WallShown
from service.clock import Clocks
from service.content.cache import ArticleCache, StoredArticle
from service.content.level import level_at
from service.content.teaser import json_ld, summary
from service.content.visibility import is_visible
from service.metering.window import MeterState
from service.problems import Problem
from service.rules.in_force import InForce, RuleBook
from service.running import running_of
from service.settings import Settings
from service.web.cards import Teased
from service.web.notices_seen import remember_notice
from service.web.offers_shown import offers_shown
from service.web.pages import PageRoute, currencies_wanted, currency_of, page
from service.web.sign_in import Visitor
from service.web.words import meter_words

State = Literal["open", "meter", "gift", "wall", "away"]
"""`gift`: a gift link opens the article as soon as the reader reads on. `away`: the database can't be asked whose reader this is."""


@dataclass(frozen=True)
class ArticleView:
    """What the page shows. `text` is the whole body where `state` is open, else the preview."""

    teaser: dict[str, Any]
    text: Markup
    state: State
    is_free: bool
    meter: MeterState | None
    """Given where the meter opens the article or could."""
    wall: WallShown | None
    notice: NoticeShown | None
    """What is said beside the open article."""
    address: str
    """The canonical one."""
    image_address: str | None
    json_ld: Markup


def opens_at_once(seen: Look) -> bool:
    """Whether the page has the whole text on arrival: no wall, and neither meter nor gift link would count."""
    consumes = isinstance(seen.outcome, Meter) and seen.outcome.consumes
    return seen.wall is None and not consumes and not seen.takes_gift


def seen_view(article: StoredArticle, seen: Look, in_force: InForce, now: datetime) -> ArticleView:
    """What the reader sees on arriving: nothing has been counted."""
    by_meter = isinstance(seen.outcome, Meter)
    if seen.wall is not None:
        return _view(article, in_force, now, state="wall", meter=seen.meter, wall=seen.wall)
    if seen.takes_gift:
        return _view(article, in_force, now, state="gift", meter=None)
    if not opens_at_once(seen):
        return _view(article, in_force, now, state="meter", meter=seen.meter)
    return opened_view(article, seen.meter if by_meter else None, in_force, now, seen.notice)


def opened_view(
    article: StoredArticle,
    meter: MeterState | None,
    in_force: InForce,
    now: datetime,
    notice: NoticeShown | None,
) -> ArticleView:
    """The whole article. `meter`: the window it was counted in, None where something else opened it."""
    return _view(article, in_force, now, state="open", meter=meter, notice=notice)


def walled_view(
    article: StoredArticle,
    wall: WallShown,
    meter: MeterState | None,
    in_force: InForce,
    now: datetime,
) -> ArticleView:
    return _view(article, in_force, now, state="wall", meter=meter, wall=wall)


class ArticleRoute(PageRoute):
    """While the database is away it shows what is in memory: the preview, or a free article."""

    def page_about(self, request: Request, problem: Problem) -> Response:
        running = running_of(request)
        in_force, now = running.get(RuleBook).in_force, running.get(Clocks).business()
        article = running.get(ArticleCache).at_hand(request.path_params["slug"])
        is_away = problem.slug == "database-unavailable"
        if not is_away or article is None or not is_visible(article, now):
            return super().page_about(request, problem)
        is_free = level_at(article, in_force.rules.levels, now).level == "free"
        view = _view(article, in_force, now, state="open" if is_free else "away", meter=None)
        status_code = 200 if is_free else problem.type.status
        response = article_page(request, view, [], Visitor(), status_code=status_code)
        response.headers.update({} if is_free else problem.headers)
        return response


def article_page(
    request: Request,
    view: ArticleView,
    more: list[Teased],
    visitor: Visitor,
    *,
    owing: str = "",
    thanks: str = "",
    gives: bool = False,
    staff_line: str = "",
    preview: Audience | None = None,
    prompt: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    """`gives`: the reader may give the article to others. `staff_line` is said where the staff's session opens it. `owing` is the line about a payment that failed (banner.py), `thanks` for what was bought just now.

    `preview` is the audience whose page the newsroom looks at, `prompt` the name of the one that it tries there.
    """
    settings = running_of(request).get(RuleBook).in_force.settings
    now = running_of(request).get(Clocks).business()
    notice = view.notice
    sold = view.wall.offers if view.wall is not None else notice.offers if notice else []
    response = page(
        request,
        "article.html",
        status_code=status_code,
        view=view,
        notice=notice,
        teaser=view.teaser,
        owing=owing,
        thanks=thanks,
        gives=gives and settings.gift_links_per_month > 0,
        preview=preview,
        prompt=prompt,
        audiences=AUDIENCES,
        more=more,
        visitor=visitor,
        line=staff_line or _access_line(view, settings),
        offers=offers_shown(sold, currencies_wanted(request), settings, now),
        asked_currency=currency_of(request),
    )
    if notice is not None and preview is None:
        remember_notice(request, response, notice, now, settings)
    return response


def _access_line(view: ArticleView, settings: Settings) -> str:
    """What the reader is told below the headline; empty where the article is simply open."""
    if view.wall is not None:
        return view.wall.note
    if view.state == "gift":
        return "A subscriber has given you this article."
    if view.meter is None:
        return ""
    is_open = view.state == "open"
    return meter_words(view.meter, settings.zone, is_open=is_open)


def _view(
    article: StoredArticle,
    in_force: InForce,
    now: datetime,
    *,
    state: State,
    meter: MeterState | None,
    wall: WallShown | None = None,
    notice: NoticeShown | None = None,
) -> ArticleView:
    held = level_at(article, in_force.rules.levels, now)
    teaser = {**summary(article, in_force, held), "published_at": article.published_at}
    text = article.body_html if state == "open" else article.preview_html
    image = article.image_url
    return ArticleView(
        teaser=teaser,
        text=Markup(text),  # noqa: S704 sanitised when it was stored
        state=state,
        is_free=held.level == "free",
        meter=meter,
        wall=wall,
        notice=notice,
        address=article.canonical_url or f"{in_force.settings.public_url}/articles/{article.slug}",
        image_address=urljoin(f"{in_force.settings.public_url}/", image) if image else None,
        json_ld=script_data(json_ld(article, in_force, now)),
    )


def script_data(document: dict[str, Any]) -> Markup:
    """JSON for a data block: nothing in it can end the element or begin a comment."""
    text = json.dumps(document, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 escaped above
