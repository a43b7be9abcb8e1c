"""The gateway that the settings ask for.

Stripe's library is imported where something is sold and nowhere else: it is a tenth of what a command waits for,
and of a process's memory.
"""

from typing import TYPE_CHECKING

from service.settings import Settings

if TYPE_CHECKING:
    from service.payments.stripe_gateway import StripeGateway


def gateway_of_settings(settings: Settings) -> "StripeGateway | None":
    """The gateway, or None when nothing is sold here."""
    secret_key = settings.stripe_secret_key.get_secret_value()
    if not secret_key:
        return None
    from service.payments.stripe_gateway import StripeGateway  # noqa: PLC0415 see above

    return StripeGateway(
        secret_key=secret_key,
        webhook_secrets=[
            secret.get_secret_value()
            for secret in (settings.stripe_webhook_secret, settings.stripe_webhook_secret_old)
            if secret.get_secret_value()
        ],
        api_base=settings.stripe_api_base,
        timeout_seconds=settings.stripe_timeout_seconds,
    )
