"""How many statements each route that only reads asks of the database: as many for twenty rows as for one, and no more
than are written down here.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from service.identity.cookies import cookie_name
from service.identity.declarations import declared_routes
from service.identity.operators import create_operator, open_operator_session
from service.reports.registry import BY_SLUG
from tests.inside import Paywall
from tests.passwords import QUICK
from tests.plans import scans
from tests.statements import statements
from tests.surface.everything import Everything, lay

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]
MANY = 20
NOT_COUNTED = {
    "/license.xml",  # from memory; there is none without terms
    "/static/{name}", "/docs", "/problems/{slug}", "/openapi.json", "/admin/static/admin.css",  # files
    "/v1/checkout/return", "/admin/unbound", "/v1/admin/unbound",  # they ask Stripe
    "/v1/articles/{slug}/full",  # without a database: tests/access/test_hot.py
    "/v1/admin", "/v1/admin/{unknown:path}", "/admin/{unknown:path}", "/account/", "/articles/{slug}/",
}  # fmt: skip
QUERIES = {
    "/v1/admin/explain": "?reader={reader_id}&article={slug}",
    "/v1/admin/saved-views": "?operator=boss@example.org",
    "/v1/admin/subscription-linking": "?publication=example.org",
    "/admin/explain": "?who={reader_id}&article={slug}",
    "/admin/subscribers/{reader_id}/explain": "?article={slug}",
}
"""What a route can't be asked without."""
BY_DEVICE = {"/v1/me/export": MANY}
"""Reads are exported page by page for each linked device, in the order of the index."""
MOST: Mapping[str, int] = {
    "/": 4,
    "/.well-known/jwks.json": 0,
    "/account": 10,
    "/account/access": 4,
    "/account/address": 0,
    "/account/elsewhere": 1,
    "/account/erase": 2,
    "/account/erased": 0,
    "/account/gift-subscriptions": 2,
    "/account/seats": 4,
    "/account/gifts": 2,
    "/account/institution": 1,
    "/account/sign-in": 1,
    "/account/sign-in/code": 1,
    "/admin": 70,
    "/admin/account": 3,
    "/admin/account/totp": 2,
    "/admin/api-keys": 2,
    "/admin/articles": 11,
    "/admin/articles/{slug}": 12,
    "/admin/audit": 3,
    "/admin/cancellations": 4,
    "/admin/crawlers": 3,
    "/admin/entitlements": 5,
    "/admin/exchange-rates": 3,
    "/admin/explain": 12,
    "/admin/gift-links": 4,
    "/admin/seats": 3,
    "/admin/experiments": 3,
    "/admin/experiments/{slug}": 8,
    "/admin/experiments/{slug}/plan": 4,
    "/admin/gift-subscriptions": 3,
    "/admin/inbox": 5,
    "/admin/stripe-import": 3,
    "/admin/institutions": 3,
    "/admin/jobs": 3,
    "/admin/movements": 4,
    "/admin/money": 6,
    "/admin/money/export/payouts": 2,
    "/admin/money/export/{name}": 2,
    "/admin/money/payouts": 2,
    "/admin/money/payouts/{payout_id}": 3,
    "/admin/money/disputes": 2,
    "/admin/money/refunds": 2,
    "/admin/offers": 8,
    "/admin/offers/new": 2,
    "/admin/offers/{offer_id}": 6,
    "/admin/operators": 2,
    "/admin/readers": 8,  # until when those on the page are comped is one
    "/admin/readers/export": 5,
    "/admin/reconciliations": 3,
    "/admin/reports": 1,
    "/admin/reports/{slug}": 28,  # of active days: two for each step that isn't counted yet
    "/admin/reports/{slug}/rows": 7,
    "/admin/rules": 6,
    "/admin/rules/versions/{version}": 7,
    "/admin/settings": 1,
    "/admin/stripe-figures": 4,
    "/admin/stripe-figures/{entry_id}": 3,
    "/admin/sharing": 2,
    "/admin/sign-in": 1,
    "/admin/subscribers/{reader_id}": 18,
    "/admin/subscribers/{reader_id}/explain": 26,  # as above
    "/admin/webhooks": 2,
    "/admin/webhooks/{endpoint_id}": 5,
    "/articles/{slug}": 7,  # with an operator's cookie, two more than without
    "/articles/{slug}/give": 4,
    "/articles/{slug}/preview": 2,
    "/healthz": 0,
    "/metrics": 3,
    "/problems": 0,
    "/readyz": 2,
    "/feed.xml": 1,
    "/sitemap.xml": 2,
    "/robots.txt": 0,
    "/v1/admin/api-keys": 2,
    "/v1/admin/article-figures": 10,
    "/v1/admin/articles": 2,
    "/v1/admin/articles/{slug}": 2,
    "/v1/admin/articles/{slug}/revisions": 3,
    "/v1/admin/audit": 2,
    "/v1/admin/crawlers": 2,
    "/v1/admin/entitlements": 2,
    "/v1/admin/entitlements.csv": 2,
    "/v1/admin/entitlements/{source}/{reference}": 2,
    "/v1/admin/exchange-rates": 2,
    "/v1/admin/cancellations": 2,
    "/v1/admin/experiments": 2,
    "/v1/admin/experiments/{slug}": 2,
    "/v1/admin/experiments/{slug}/results": 6,
    "/v1/admin/explain": 9,  # with the subscriptions that say who the reader is to prompts
    "/v1/admin/coupons": 3,
    "/v1/admin/gift-links": 3,
    "/v1/admin/seats": 2,
    "/v1/admin/gift-subscriptions": 2,
    "/v1/admin/inbox": 4,
    "/v1/admin/institutions": 2,
    "/v1/admin/institutions/{slug}": 2,
    "/v1/admin/institutions/{slug}/reads": 3,
    "/v1/admin/jobs": 3,
    "/v1/admin/movements": 2,
    "/v1/admin/movements.csv": 2,
    "/v1/admin/money/disputes": 2,
    "/v1/admin/money/export/payouts": 2,
    "/v1/admin/money/export/{name}": 2,
    "/v1/admin/money/owing": 2,
    "/v1/admin/money/payouts": 2,
    "/v1/admin/money/payouts/{payout_id}": 3,
    "/v1/admin/money/refunds": 2,
    "/v1/admin/offers": 6,
    "/v1/admin/offers/{offer_id}": 2,
    "/v1/admin/operators": 2,
    "/v1/admin/readers": 3,
    "/v1/admin/readers/export": 5,
    "/v1/admin/reconciliations": 2,
    "/v1/admin/reports": 1,
    "/v1/admin/reports/summary": 6,
    "/v1/admin/reports/{slug}": 27,
    "/v1/admin/reports/{slug}/rows": 4,  # of active days: since when days of holders are kept
    "/v1/admin/reports/{slug}/rows.csv": 7,
    "/v1/admin/rules/recut": 2,
    "/v1/admin/rules": 2,
    "/v1/admin/rules/versions": 2,
    "/v1/admin/rules/versions/{version}": 2,
    "/v1/admin/saved-views": 3,
    "/v1/admin/settings": 1,
    "/v1/admin/stripe-figures": 2,
    "/v1/admin/stripe-figures/{entry_id}": 2,
    "/v1/admin/sharing": 2,
    "/v1/admin/subscribers": 2,
    "/v1/admin/subscribers/{reader_id}": 14,
    "/v1/admin/subscription-linking": 3,
    "/v1/admin/subscribers/{reader_id}/notes": 2,
    "/v1/admin/subscribers/{reader_id}/sessions": 2,
    "/v1/admin/webhook-endpoints": 2,
    "/v1/admin/webhook-endpoints/{endpoint_id}/deliveries": 5,
    "/v1/articles": 1,
    "/v1/articles/{slug}": 0,
    "/v1/articles/{slug}/access": 3,  # as above
    "/v1/me": 5,
    "/v1/me/export": 51,
    "/gift": 0,
    "/gift/{token}": 2,
    "/v1/gift-subscriptions/{token}": 1,
    "/seat/{invitation}": 4,
    "/v1/me/gift-links": 2,
    "/v1/me/grants": 3,
    "/v1/me/seats": 3,
    "/v1/me/gift-subscriptions": 2,
    "/v1/offers": 1,
    "/v1/sessions": 2,
}
"""Statements once the process has been asked before."""


async def sign_in(paywall: Paywall, operator_email: str = "boss@example.org") -> str:
    """As a reader, whose id is answered, and as an operator who may do everything."""
    reader_id = await paywall.sign_in("everything")
    now = paywall.clocks.wall()
    async with paywall.database.transaction() as session:
        operator = await create_operator(
            session, email=operator_email, password="correct horse battery", role="admin",
            now=now, passwords=QUICK,
        )  # fmt: skip
        secret = await open_operator_session(session, operator, now=now, settings=paywall.settings)
    paywall.client.cookies.set(cookie_name("operator", paywall.settings), secret)
    return reader_id


async def asked(paywall: Paywall, path: str, most: int = 0) -> list[str]:
    """What the database is asked for; where that is more than `most`, once what is remembered is remembered."""
    headers = paywall.staff if path.startswith("/v1/admin") else {}
    for _ in range(2):
        with statements() as seen:
            answer = await paywall.client.get(path, headers=headers)
        assert answer.status_code in {200, 303}, (path, answer.status_code)
        if seen and len(seen) <= most:
            break
    return seen


def addresses(paywall: Paywall, made: Everything) -> Iterator[tuple[str, str]]:
    """Each route that only reads, and an address of it; of reports those of every figure."""
    for method, route in sorted(declared_routes(paywall.app.routes)):
        if method != "GET" or route in NOT_COUNTED:
            continue
        if "/reports/{slug}" in route:
            listed = {name for name, each in BY_SLUG.items() if each.listing is not None}
            for slug in BY_SLUG if route.endswith("/reports/{slug}") else sorted(listed):
                yield route, route.replace("{slug}", slug)
        else:
            yield route, (route + QUERIES.get(route, "")).format_map(made.known)


def _shape(statement: str) -> str:
    """The statement, however many values stand in its lists."""
    return re.sub(r"\((\?, )+\?\)", "(…)", statement)


async def test_no_route_asks_more_for_more_rows_nor_than_is_written_down(paywall: Paywall) -> None:
    made = Everything(await sign_in(paywall), paywall.settings)
    await lay(paywall.database, made, 1)
    places = dict.fromkeys(addresses(paywall, made))
    few = {place: await asked(paywall, place[1], MOST.get(place[0], 0)) for place in places}
    with scans(paywall.settings.database_url) as reading_whole:
        for _, address in places:
            if not address.startswith(("/admin", "/v1/admin", "/metrics")):
                await paywall.client.get(address)
    assert not reading_whole, "these tables need an index, or the statements other conditions"
    await lay(paywall.database, made, MANY - 1)
    grown = {}
    for (_, address), before in few.items():
        may_ask = len(before) + BY_DEVICE.get(address, 0)
        now = await asked(paywall, address, may_ask)
        if len(now) > may_ask:
            grown[address] = len(before), len(now), Counter(map(_shape, now)).most_common(2)
    assert not grown, "these routes ask once a row"
    most: dict[str, int] = {}
    for (route, _), seen in few.items():
        most[route] = max(most.get(route, 0), len(seen))
    missing = {route: count for route, count in most.items() if route not in MOST}
    assert not missing, "write these routes into MOST, or say in NOT_COUNTED why not"
    assert not MOST.keys() - most.keys(), "these routes are gone: take them out of MOST"
    above = {route: (count, MOST[route]) for route, count in most.items() if count > MOST[route]}
    assert not above, "these routes ask more than MOST says"


RAW = re.compile(r"\b(?!off_)[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+")
"""But for offers alike in all that people see: there are none but here, and their ids tell them apart."""
FOR_COMMANDS = re.compile(
    r"<(code|style|script|svg|pre|textarea)\b.*?</\1>|<[^>]*>|\S*@\S*", re.DOTALL
)


async def test_pages_of_the_back_office_use_words(paywall: Paywall) -> None:
    """What only programs say, such as `interval_charged`, is in `<code>` or nowhere."""
    made = Everything(await sign_in(paywall, "words@example.org"), paywall.settings)
    await lay(paywall.database, made, 1)
    raw: dict[str, set[str]] = {}
    for route, address in addresses(paywall, made):
        if not route.startswith("/admin"):
            continue
        answer = await paywall.client.get(address)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            text = FOR_COMMANDS.sub(" ", answer.text)
            if found := set(RAW.findall(text)):
                raw[address] = found
    assert not raw
