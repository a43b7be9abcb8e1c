"""What every JSON body is."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body as a caller sends it: unknown fields are refused, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)
