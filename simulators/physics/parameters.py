"""What the physics takes from a scenario file: plain numbers, checked, never changed."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Parameters of one piece of ground, weather or machine; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
