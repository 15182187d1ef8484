"""What the models of states and messages have in common."""

from pydantic import BaseModel, ConfigDict


class Stored(BaseModel):
    """A model that is stored or sent as JSON, in the names that 1.0 gave its members.

    It is built when it is first used, so that the app starts sooner.
    """

    model_config = ConfigDict(
        defer_build=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
