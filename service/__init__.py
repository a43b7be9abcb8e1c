"""The paywall."""

import sys

# FastAPI takes the models of pydantic 1, a thirtieth of what a start imports, to refuse them in a route's signature.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]  # so they count as not installed
