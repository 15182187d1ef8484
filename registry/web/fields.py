"""The types of members that requests and responses share.

OpenAPI has a schema for each, with the same limits.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticKnownError
from typing_extensions import TypeAliasType

from registry.settings import Settings

NOT_BLANK = r"[^\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""Anything but white space, spelled out: `\\s` means different things to different readers of the
API's description.
"""


def _check_length(text: str, info: ValidationInfo[Settings]) -> str:
    """Refuse an item that is longer than the settings allow. They are the context."""
    max_length = info.context.max_item_length
    if len(text) > max_length:
        raise PydanticKnownError("string_too_long", {"max_length": max_length})
    return text


ItemText = TypeAliasType(
    "ItemText",
    Annotated[
        str,
        Field(min_length=1, pattern=NOT_BLANK, examples=["Commodore 64"]),
        AfterValidator(_check_length),
    ],
)
ItemKey = TypeAliasType(
    "ItemKey",
    Annotated[
        str,
        Field(
            pattern="^[!-~]{1,128}$",
            description="The idempotency key of an add, by which its item can be removed.",
            examples=["c04d1a93e5b24f6f8d70a2b1c3e4f506"],
        ),
    ],
)

Count = Annotated[int, Field(ge=0)]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]
