"""Server-rendered pages: one Jinja environment, one strict Content-Security-Policy.

Template names are paths below `service/`, such as `web/templates/article.html`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.running import running_of
from service.settings import Settings

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1]),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STRIPE_PAGES = "https://checkout.stripe.com https://billing.stripe.com"


def content_security_policy(settings: Settings) -> str:
    """No inline script or style. A form may end at Stripe, or signed in at a listed frontend:
    browsers check its redirects too.
    """
    pages = _STRIPE_PAGES
    if settings.stripe_api_base is not None:
        local = urlsplit(settings.stripe_api_base)
        pages = f"{local.scheme}://{local.netloc}"
    pages = " ".join((pages, *settings.allowed_origins))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' https: http: data:; font-src 'self'; manifest-src 'self'; "
        f"form-action 'self' {pages}; base-uri 'none'; frame-ancestors 'none'"
    )


def render(
    request: Request, template: str, *, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Render a template with `settings` and `request` at hand; undefined names are errors."""
    settings = running_of(request).get(Settings)
    body = _environment.get_template(template).render(request=request, settings=settings, **context)
    return HTMLResponse(
        body, status_code, {"Content-Security-Policy": content_security_policy(settings)}
    )


def render_part(template: str, **context: Any) -> Markup:
    """Render a template that is a part of a page."""
    return Markup(_environment.get_template(template).render(**context))  # noqa: S704 escaped by it
