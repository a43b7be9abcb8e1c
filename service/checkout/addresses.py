"""Where Stripe sends a buyer back to."""

from service.settings import Settings

_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"
"""Stripe puts the session's id here (its page on custom success pages)."""


def return_address(settings: Settings, session_id: str = _PLACEHOLDER) -> str:
    return f"{settings.public_url}/v1/checkout/return?session_id={session_id}"
