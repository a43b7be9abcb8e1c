from tests.billing.conftest import desk

__all__ = ["desk"]
