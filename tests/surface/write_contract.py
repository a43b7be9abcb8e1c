"""Keep the contract of this tree (contract.py): `python -m tests.surface.write_contract`, once a release."""

from service.app import create_app
from service.clock import Clocks
from tests.conftest import settings_of
from tests.surface.contract import KEPT, contract_of, written

if __name__ == "__main__":
    document = create_app(settings_of("sqlite:///unused"), gateway=None, clocks=Clocks()).openapi()
    KEPT.write_text(written(contract_of(document)), encoding="utf-8")
