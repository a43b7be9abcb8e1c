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
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from service.access.decision import Meter
from service.access.unlock import Look
from service.access.wall import WallShown
from service.access.words import WINDOWS, long_day, used_up_words
from service.content.cache import StoredArticle
from service.content.teaser import json_ld
from service.metering.window import MeterState
from service.running import running_of
from service.settings import Settings
from service.web.front import TeaserItem, teaser_item
from service.web.pages import page
from service.web.sign_in import Visitor
from service.web.words import left_words

State = Literal["open", "meter", "wall"]


@dataclass(frozen=True)
class ArticleView:
    """What the page shows. `text` is the whole body where `state` is open, else the preview."""

    teaser: TeaserItem
    text: Markup
    state: State
    is_free: bool
    meter: MeterState | None
    """Given where the meter opens the article or could."""
    wall: WallShown | None
    address: str
    """The canonical one."""
    image_address: str | None
    json_ld: Markup


def seen_view(article: StoredArticle, seen: Look, settings: Settings, now: datetime) -> ArticleView:
    """What the reader sees on arriving: nothing has been counted."""
    by_meter = isinstance(seen.outcome, Meter)
    if seen.wall is not None:
        return _view(article, settings, now, state="wall", meter=seen.meter, wall=seen.wall)
    if isinstance(seen.outcome, Meter) and seen.outcome.consumes:
        return _view(article, settings, now, state="meter", meter=seen.meter)
    return opened_view(article, seen.meter if by_meter else None, settings, now)


def opened_view(
    article: StoredArticle, meter: MeterState | None, settings: Settings, now: datetime
) -> ArticleView:
    """The whole article. `meter`: the window it was counted in, None where something else opened it."""
    return _view(article, settings, now, state="open", meter=meter)


def walled_view(
    article: StoredArticle,
    wall: WallShown,
    meter: MeterState | None,
    settings: Settings,
    now: datetime,
) -> ArticleView:
    return _view(article, settings, now, state="wall", meter=meter, wall=wall)


def article_page(
    request: Request,
    view: ArticleView,
    more: list[TeaserItem],
    visitor: Visitor,
    *,
    owing: str,
    status_code: int = 200,
) -> HTMLResponse:
    """`owing` is the line about a payment that failed (banner.py)."""
    settings = running_of(request).get(Settings)
    return page(
        request,
        "article.html",
        status_code=status_code,
        view=view,
        teaser=view.teaser,
        owing=owing,
        more=more,
        visitor=visitor,
        window=WINDOWS[settings.meter_window],
        left=left_words(view.meter, settings.meter_window) if view.meter else "",
        renewed=long_day(view.meter.window.end, settings.zone) if view.meter else "",
        used_up=_used_up(view, settings),
    )


def _used_up(view: ArticleView, settings: Settings) -> str:
    if view.meter is None:
        return ""
    return used_up_words(view.meter, settings.meter_window, settings.zone)


def _view(
    article: StoredArticle,
    settings: Settings,
    now: datetime,
    *,
    state: State,
    meter: MeterState | None,
    wall: WallShown | None = None,
) -> ArticleView:
    teaser = teaser_item(article, settings, now)
    text = article.body_html if state == "open" else article.preview_html
    image = article.image_url
    return ArticleView(
        teaser=teaser,
        text=Markup(text),  # noqa: S704 sanitised when it was stored
        state=state,
        is_free=teaser["access"]["level"] == "free",
        meter=meter,
        wall=wall,
        address=article.canonical_url or f"{settings.public_url}/articles/{article.slug}",
        image_address=urljoin(f"{settings.public_url}/", image) if image else None,
        json_ld=script_data(json_ld(article, settings, now)),
    )


def script_data(document: dict[str, Any]) -> Markup:
    """JSON for a data block: nothing in it can end the element or begin a comment."""
    text = json.dumps(document, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 escaped above
