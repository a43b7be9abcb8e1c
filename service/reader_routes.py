"""What readers' programs ask for beside articles: accounts, purchases, and Stripe's webhooks for them."""

from service.access import given_routes
from service.account import routes as account_routes
from service.billing import routes as billing_routes
from service.checkout import gift_routes as gift_subscription_routes
from service.checkout import routes as checkout_routes
from service.checkout import seat_routes
from service.grants import claim_routes, join_routes
from service.offers import routes as offers_routes

ROUTERS = (
    offers_routes.router,
    checkout_routes.router,
    gift_subscription_routes.router,
    seat_routes.router,
    account_routes.router,
    given_routes.router,
    billing_routes.router,
    claim_routes.router,
    join_routes.router,
)
