"""The gateway that the settings ask for.

Stripe's library is imported where something is sold and nowhere else: it is a tenth of what a command waits for,
and of a process's memory.
"""

from functools import partial
from typing import TYPE_CHECKING

from service.payments.reach import LateGateway
from service.settings import Settings

if TYPE_CHECKING:
    from service.payments.stripe_gateway import StripeGateway


def gateway_of_settings(settings: Settings) -> "StripeGateway | None":
    """The gateway, or None when nothing is sold here."""
    return _made(settings) if _sells(settings) else None


def late_gateway_of_settings(settings: Settings) -> LateGateway | None:
    """The same, made when it is first needed."""
    return LateGateway(partial(_made, settings)) if _sells(settings) else None


def import_gateway(settings: Settings) -> None:
    """Import what it takes, for processes that are forked afterwards."""
    if _sells(settings):
        _kind()


def _sells(settings: Settings) -> bool:
    return bool(settings.stripe_secret_key.get_secret_value())


def _kind() -> "type[StripeGateway]":
    from service.payments.stripe_gateway import StripeGateway  # noqa: PLC0415 see above

    return StripeGateway


def _made(settings: Settings) -> "StripeGateway":
    return _kind()(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        webhook_secrets=[
            secret.get_secret_value()
            for secret in (settings.stripe_webhook_secret, settings.stripe_webhook_secret_old)
            if secret.get_secret_value()
        ],
        api_base=settings.stripe_api_base,
        timeout_seconds=settings.stripe_timeout_seconds,
    )
