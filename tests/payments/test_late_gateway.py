"""A gateway that is made when it is first needed: once, by whichever thread comes first."""

from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from service.payments.configured import gateway_of_settings, late_gateway_of_settings
from service.payments.reach import Payments
from service.payments.stripe_gateway import StripeGateway
from service.settings import Settings

NOTHING_SOLD = Settings(_env_file=None)
SOLD = NOTHING_SOLD.model_copy(update={"stripe_secret_key": SecretStr("sk_test_late")})


def test_it_is_made_once_and_known_to_sell_before() -> None:
    payments = Payments(late_gateway_of_settings(SOLD))
    assert (payments.sells, payments.made) == (True, None)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: payments.gateway, range(8)))
    assert isinstance(found[0], StripeGateway)
    assert {*map(id, found)} == {id(payments.made)}


def test_where_nothing_is_sold_there_is_none() -> None:
    for gateway in (gateway_of_settings(NOTHING_SOLD), late_gateway_of_settings(NOTHING_SOLD)):
        payments = Payments(gateway)
        assert (payments.sells, payments.gateway, payments.made) == (False, None, None)
