"""How the application reaches Stripe, where anything is sold; it needs none of what Stripe says for that."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends

from service.running import part

if TYPE_CHECKING:
    from service.payments.gateway import Gateway


@dataclass(frozen=True)
class LateGateway:
    """A gateway that is made, with the library that it takes, when it is first needed."""

    make: "Callable[[], Gateway]"


class Payments:
    """How the application reaches Stripe."""

    def __init__(self, gateway: "Gateway | LateGateway | None") -> None:
        """None: nothing is sold."""
        self._gateway = gateway
        self._making = Lock()

    @property
    def gateway(self) -> "Gateway | None":
        """None: nothing is sold. To make a late one takes a tenth of a second."""
        with self._making:
            if isinstance(self._gateway, LateGateway):
                self._gateway = self._gateway.make()
            return self._gateway

    @property
    def sells(self) -> bool:
        return self._gateway is not None

    @property
    def made(self) -> "Gateway | None":
        """The gateway if it has been needed yet."""
        gateway = self._gateway
        return None if isinstance(gateway, LateGateway) else gateway


AppPayments = Annotated[Payments, Depends(part(Payments))]
