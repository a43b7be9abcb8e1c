"""The back office over the API."""

from fastapi import APIRouter

from service.operators.cancellations import api as cancellations
from service.operators.experiments import api as experiments
from service.operators.gifts import api as gifts
from service.operators.gifts import subscription_api as gift_subscriptions
from service.operators.money import api as money
from service.operators.movements import api as movements
from service.operators.offers import api as offers
from service.operators.rates import api as rates
from service.operators.readers import api as readers
from service.operators.reports import api as reports
from service.operators.rights import api as rights
from service.operators.rules import api as rules
from service.operators.seats import api as seats
from service.operators.settings import api as settings
from service.operators.sharing import api as sharing
from service.operators.staff import api as staff
from service.operators.stripe_figures import api as stripe_figures
from service.operators.subscribers import api as subscribers
from service.operators.subscribers import notes_api as notes
from service.operators.system import api as system
from service.operators.unbound import api as unbound
from service.operators.webhooks import api as webhooks

router = APIRouter(prefix="/v1/admin")
for subject in (
    rules,
    experiments,
    staff,
    cancellations,
    money,
    offers,
    rates,
    readers,
    reports,
    rights,
    stripe_figures,
    subscribers,
    unbound,
    webhooks,
    system,
    settings,
    notes,
    movements,
    gifts,
    sharing,
    gift_subscriptions,
    seats,
):
    router.include_router(subject.router)
